"""The one file that leans on SQLite's and chromadb's insides: the WAL as the list of changed pages.

chromadb writes into a WAL that locks of ours keep from being checkpointed, so that the main file
stays the parent, byte for byte, until publish has won (docs/design.md, "Snapshot store"). Every
trick holds for the schema of one chromadb only; another one is refused by `check_schema`.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import BinaryIO, Final

from instep.chroma.sqlite_rows import connected, migrations
from instep.errors import SnapshotUnsupported

PAGE: Final = 4096
_SCHEMA: Final = "b2bb2571"  # of chromadb 1.5.9's migrations; see check_schema

_JOURNAL_MODE: Final = 18  # offset in page 1: two bytes, 1 = rollback journal, 2 = WAL
_ROLLBACK: Final = b"\1\1"
_WAL: Final = b"\2\2"

# SQLite's lock bytes: wal.c (WAL_LOCK_OFFSET 120, of which 1 is the checkpointer's; 128 says that
# somebody lives, so that nobody recovers) and os.h (PENDING_BYTE 0x40000000, SHARED_FIRST + 2).
_CHECKPOINT_BYTE: Final = 121
_ALIVE_BYTE: Final = 128
_SHARED_FIRST: Final = 0x40000002
_SHARED_LENGTH: Final = 510

_WAL_HEADER: Final = struct.Struct(">IIIIIIII")
_FRAME_HEADER: Final = struct.Struct(">IIIIII")
_WAL_MAGIC: Final = (0x377F0682, 0x377F0683)


def wal_of(main: Path) -> Path:
    """Return where SQLite keeps the WAL of a database."""
    return main.with_name(f"{main.name}-wal")


def shm_of(main: Path) -> Path:
    """Return where SQLite keeps the index of the WAL of a database."""
    return main.with_name(f"{main.name}-shm")


def normal_page(number: int, page: bytes) -> bytes:
    """Return the page as it is published: page 1 says rollback journal, whatever it says here."""
    if number != 1:
        return page
    return page[:_JOURNAL_MODE] + _ROLLBACK + page[_JOURNAL_MODE + 2 :]


def arm(main: Path) -> None:
    """Let the next client on this database write into a WAL."""
    _set_journal_mode(main, _WAL)


def disarm(main: Path) -> None:
    """Make the database what is published: a plain file without a WAL."""
    drop(main)
    _set_journal_mode(main, _ROLLBACK)


def drop(main: Path) -> None:
    """Forget what was written since the main file: nobody may have the database open."""
    wal_of(main).unlink(missing_ok=True)
    shm_of(main).unlink(missing_ok=True)


class Hold:
    """Keeps the WAL of a database from being checkpointed, by anyone, until released.

    Taken once a connection has opened the database in WAL mode: its locks are open file
    description locks, so chromadb in this very process meets them too. Release it last: closing a
    descriptor earlier would drop the POSIX locks chromadb holds on the same file.
    """

    def __init__(self, main: Path) -> None:
        self._descriptors: list[int] = []
        try:
            shm = self._open(shm_of(main))
            file = self._open(main)
            _lock(shm, fcntl.F_WRLCK, _CHECKPOINT_BYTE, 1)
            _lock(shm, fcntl.F_RDLCK, _ALIVE_BYTE, 1)
            _lock(file, fcntl.F_RDLCK, _SHARED_FIRST, _SHARED_LENGTH)
        except FileNotFoundError as error:
            self.release()
            raise SnapshotUnsupported(
                f"{main}: chromadb did not open it in WAL mode; this release cannot work with it"
            ) from error
        except OSError:
            self.release()
            raise

    @classmethod
    def before(cls, main: Path) -> "Hold":
        """Take it of a database that nobody has open: the first client finds it held."""
        with connected(main) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return cls(main)

    @property
    def descriptors(self) -> frozenset[int]:
        """The descriptors that are ours."""
        return frozenset(self._descriptors)

    def release(self) -> None:
        """Give the locks up; twice is no error."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _open(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDWR)
        self._descriptors.append(descriptor)
        return descriptor


@contextmanager
def changed_pages(main: Path) -> "Iterator[tuple[int, WalPages]]":
    """Give the database's size in bytes and the pages that committed writes left in the WAL.

    Nobody may be writing until the block ends. Frames behind the last commit (a transaction that
    never ended) are left out; so is a frame of an earlier WAL, told by its salt. Every page the
    file grew by is among them.
    """
    before = size = main.stat().st_size
    places: dict[int, int | None] = {}
    with ExitStack() as stack:
        wal = stack.enter_context(wal_of(main).open("rb")) if wal_of(main).exists() else None
        for count, written in _commits(wal) if wal else ():
            size = count * PAGE
            places.update(written)
        # SQLite leaves one page of zeros unwritten: the one that its lock bytes lie on, at 1 GiB.
        for number in range(before // PAGE + 1, size // PAGE + 1):
            places.setdefault(number, None)
        within = {number: at for number, at in places.items() if number * PAGE <= size}
        yield size, WalPages(wal, within)


class WalPages(Mapping[int, bytes]):
    """Pages by number, in their published form; each is read when it is asked for, for a run may
    have changed more of them than fit into memory.
    """

    def __init__(self, wal: BinaryIO | None, places: Mapping[int, int | None]) -> None:
        self._wal = wal
        self._places = places  # in the WAL; None: a page of zeros that it does not have

    def __getitem__(self, number: int) -> bytes:
        """Read a page."""
        at = self._places[number]
        if self._wal is None or at is None:
            return bytes(PAGE)
        page = os.pread(self._wal.fileno(), PAGE, at)
        if len(page) != PAGE:
            raise OSError(errno.EIO, "the WAL was cut off while it was read", self._wal.name)
        return normal_page(number, page)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers, in no order."""
        return iter(self._places)

    def __len__(self) -> int:
        """Return how many pages there are."""
        return len(self._places)


def _commits(wal: BinaryIO) -> Iterator[tuple[int, dict[int, int]]]:
    """Yield the pages that the database has after each commit, and where those lie it wrote."""
    header = wal.read(_WAL_HEADER.size)
    if len(header) < _WAL_HEADER.size:
        return
    magic, _, page_size, _, *salt = _WAL_HEADER.unpack(header)[:6]
    if magic not in _WAL_MAGIC or page_size != PAGE:
        raise SnapshotUnsupported(f"{wal.name}: not a WAL of {PAGE}-byte pages")
    length, frame = os.fstat(wal.fileno()).st_size, _FRAME_HEADER.size + PAGE
    waiting: dict[int, int] = {}
    for at in range(_WAL_HEADER.size, length - frame + 1, frame):
        raw = os.pread(wal.fileno(), _FRAME_HEADER.size, at)
        number, committed, *rest = _FRAME_HEADER.unpack(raw)
        if rest[:2] != salt:
            return
        waiting[number] = at + _FRAME_HEADER.size
        if committed:
            yield committed, waiting
            waiting = {}


def schema_of(main: Path) -> str:
    """Return what stands for the schema: the list of migrations that made it, with their hashes."""
    return sha256(repr(migrations(main)).encode()).hexdigest()[: len(_SCHEMA)]


def check_schema(main: Path) -> None:
    """Raise SnapshotUnsupported unless the schema is the one this release was tested with."""
    found = schema_of(main)
    if found != _SCHEMA:
        raise SnapshotUnsupported(
            f"{main}: a Chroma directory of another schema ({found}, not {_SCHEMA}): open it once "
            f"with the chromadb this release pins, or use the release that wrote it"
        )


def wait_until_closed(directory: Path, but: frozenset[int] = frozenset()) -> None:
    """Return once no descriptor of this process, but ours, is open on a file of the directory."""
    prefix = f"{directory.resolve()}{os.sep}"
    pause = Event()
    for _ in range(60_000):
        if not _is_open(prefix, but):
            return
        pause.wait(0.001)
    raise TimeoutError(f"chromadb still holds files of {directory} open after a minute")


def _is_open(prefix: str, but: frozenset[int]) -> bool:
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if int(link.name) not in but and str(link.readlink()).startswith(prefix):
                return True
    return False


def _set_journal_mode(main: Path, mode: bytes) -> None:
    with main.open("r+b") as file:
        file.seek(_JOURNAL_MODE)
        if file.read(2) != mode:
            file.seek(_JOURNAL_MODE)
            file.write(mode)


def _lock(descriptor: int, kind: int, start: int, length: int) -> None:
    """Lock a byte range by an open file description lock (struct flock of 64-bit Linux)."""
    fcntl.fcntl(
        descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0)
    )

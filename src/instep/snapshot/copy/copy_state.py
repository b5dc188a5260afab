"""What a copy on this machine holds, as the small file beside it says: every word of it checked.

The file is only a memory of what was written. One that is damaged, of another shape, or of an
earlier start of the machine is worth nothing: then what it describes is fetched anew.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.format.document import MISREAD, DocumentDamaged
from instep.snapshot.format.manifest import is_file_of_a_snapshot, natural, require, version_id

HEADER: Final = 100  # bytes of page 1 before its content
_STAMP: Final = 3  # numbers: time, size, inode
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_HEX: Final = re.compile("[0-9a-f]*")

T = TypeVar("T")


@dataclass(frozen=True)
class Held:
    """A file of the copy: size and digest as published, and the mark its last write left."""

    size: int
    digest: str
    stamp: tuple[int, ...]


@dataclass(frozen=True)
class Waiting:
    """A version staged from this copy: the database's size and digest once its WAL is in."""

    version: str
    size: int
    digest: str


@dataclass(frozen=True)
class State:
    """What a copy holds: `version` (None: a directory made here), its files, what waits.

    `header` is the database's as published (hexadecimal), while its own counts on; see `Live`.
    """

    version: str | None
    files: Mapping[str, Held] = field(default_factory=dict)
    waiting: Waiting | None = None
    header: str = ""


def boot() -> str:
    """Return what names this start of the machine: writes of another may never have arrived."""
    return _BOOT_ID.read_text().strip()


def to_bytes(state: State) -> bytes:
    """Return the state file's bytes."""
    return json.dumps({**asdict(state), "boot": boot()}).encode()


def parse(body: bytes) -> tuple[State, str]:
    """Return a state and since which start of the machine; DocumentDamaged for anything else."""
    try:
        read = json.loads(body)
        files = {_file(name): _held(held) for name, held in read["files"].items()}
        state = State(
            _or_none(version_id, read["version"]),
            files,
            _or_none(_waiting, read["waiting"]),
            _hexadecimal(read["header"], {0, HEADER}),
        )
        of_database = state.waiting or state.header
        require(SQLITE in files or not of_database, "a header without its database")
        return state, str(read["boot"])
    except MISREAD as error:
        raise DocumentDamaged(f"it is no state of a copy: {type(error).__name__}") from error


def _held(held: Any) -> Held:
    stamp = held["stamp"]
    require(isinstance(stamp, list) and len(stamp) == _STAMP, "no stamp")
    digest = _hexadecimal(held["digest"], {0, 32})
    return Held(natural(held["size"]), digest, tuple(map(natural, stamp)))


def _waiting(waiting: Any) -> Waiting:
    version = version_id(waiting["version"])
    return Waiting(version, natural(waiting["size"]), _hexadecimal(waiting["digest"], {32}))


def _file(name: str) -> str:
    require(is_file_of_a_snapshot(name), "no file of a version")
    return name


def _hexadecimal(value: Any, lengths: set[int]) -> str:
    """Return `value` if it spells bytes, so many as one of `lengths` says."""
    require(_HEX.fullmatch(value) is not None and len(value) / 2 in lengths, "no bytes")
    return str(value)


def _or_none(check: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else check(value)

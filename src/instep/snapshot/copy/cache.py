"""A directory of packs that machines share: in front of S3, never instead of it.

A pack is immutable and named by its sha256 (docs/design.md, "Snapshot store"), so an entry is right
or it is no entry: whoever reads it checks it, drops what is damaged or half-written, and goes to
S3. No lock is needed: a writer renames a whole file into place, and two writers of one name write
the same bytes. Nothing here ever fails a run; what the disk refuses is counted.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Final

from instep.clock import Clock, utc_now
from instep.metrics import Metrics
from instep.snapshot.format.manifest import PackRef

LIMIT: Final = 4 << 30  # bytes of entries: the bases of some collections and weeks of increments
UNUSED: Final = timedelta(days=7)  # then an entry goes: it may hold what was deleted since
_SHARE_KEPT: Final = 7 / 8  # of the limit, after an eviction, so that not every write evicts
_SHARE_UNSEEN: Final = 1 / 16  # of the limit: what a process may write before it looks again
_SAME_USE: Final = timedelta(hours=1)  # a use is noted at most that often
_UNFINISHED: Final = timedelta(hours=1)  # a temporary file this old is of a process that died
_NAMES: Final = re.compile(r"[0-9a-f]{64}|\.([0-9a-f]{64}|probe)\.[0-9a-f]{8}")
"""A pack's, one that is being written, and the probe of `storage_mode`."""


@dataclass(frozen=True)
class _Entry:
    used: float  # seconds since the epoch
    path: Path
    size: int


class PackCache:
    """Packs in `directory`, which exists: at most `limit` bytes and a sixteenth a writing process.

    Safe in several threads and processes, on several machines. The oldest in use go first.
    """

    def __init__(
        self, directory: Path, metrics: Metrics, *, limit: int = LIMIT, clock: Clock = utc_now
    ) -> None:
        self._directory = directory
        self._metrics = metrics
        self._limit = limit
        self._clock = clock
        self._lock = Lock()
        self._unseen: int | None = None  # bytes written since the last look; None: never looked

    def get(self, ref: PackRef) -> bytes | None:
        """Return the pack's bytes, checked, or None: then S3 has them."""
        path = self._directory / ref.hash
        try:
            used = _modified(path)
            with path.open("rb") as file:
                body = file.read(ref.bytes + 1)
        except FileNotFoundError:
            self._metrics.count("CompactionCacheMiss")
            return None
        except OSError:
            self._metrics.count("CompactionCacheUnavailable")
            return None
        if len(body) != ref.bytes or not _is(body, ref.hash):
            self._drop(path)
            return None
        if self._now - used > _SAME_USE.total_seconds():
            with suppress(OSError):
                os.utime(path, (self._now, self._now))
        self._metrics.count("CompactionCacheHit")
        return body

    def put(self, name: str, body: bytes) -> None:
        """Keep a pack, unless it is not what its name says, is there, or the disk refuses."""
        path = self._directory / name
        beside = self._directory / f".{name}.{token_hex(4)}"
        try:
            if not _is(body, name) or path.exists():
                return
            beside.write_bytes(body)
            os.utime(beside, (self._now, self._now))
            beside.replace(path)
            if self._should_look(len(body)):
                self._evict()
        except OSError:
            self._metrics.count("CompactionCacheUnavailable")
            with suppress(OSError):
                beside.unlink(missing_ok=True)

    @property
    def _now(self) -> float:
        return self._clock().timestamp()

    def _drop(self, path: Path) -> None:
        """Remove a damaged entry; if it was put right meanwhile, that costs one fetch more."""
        self._metrics.count("CompactionCacheDropped")
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def _should_look(self, written: int) -> bool:
        with self._lock:
            known = self._unseen is not None
            self._unseen = (self._unseen or 0) + written
            if known and self._unseen <= self._limit * _SHARE_UNSEEN:
                return False
            self._unseen = 0
            return True

    def _evict(self) -> None:
        """Remove what nobody used for long; then, beyond the limit, the oldest in use."""
        entries = sorted(self._entries(), key=lambda entry: entry.used)
        total = sum(entry.size for entry in entries)
        aim = self._limit * _SHARE_KEPT if total > self._limit else total
        for entry in entries:
            if total <= aim and not self._is_over(entry):
                continue
            with suppress(OSError):  # what cannot be removed counts on, and the next one goes
                entry.path.unlink(missing_ok=True)
                total -= entry.size

    def _is_over(self, entry: _Entry) -> bool:
        kept = _UNFINISHED if entry.path.name.startswith(".") else UNUSED
        return self._now - entry.used > kept.total_seconds()

    def _entries(self) -> Iterator[_Entry]:
        """Yield what a cache put here: what bears another name is not ours to count or remove."""
        for found in os.scandir(self._directory):
            with suppress(FileNotFoundError):  # another process evicts too
                status = found.stat(follow_symlinks=False)
                if _NAMES.fullmatch(found.name) and stat.S_ISREG(status.st_mode):
                    yield _Entry(status.st_mtime, Path(found.path), status.st_size)


def _modified(path: Path) -> float:
    """Return when a file was last modified; OSError for what is none, which may never be read."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is no file")
    return status.st_mtime


def _is(body: bytes, name: str) -> bool:
    return sha256(body).hexdigest() == name

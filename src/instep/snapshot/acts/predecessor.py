"""The predecessor's snapshots in S3: found by their pointer, fetched, checked where they can be.

The layout is docs/domain.md's, its last bullet of Public API. It is nobody's word but its own:
names, sizes and the archive are treated as hostile, and only files of a Chroma directory are kept.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path, PurePosixPath
from typing import Final

from instep.archive import ArchiveRejected, Limits, check_name, unpack
from instep.aws.objects import Listed, ObjectMissing, Objects, ObjectTooLarge
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import ImportRejected
from instep.snapshot.copy.fetch import Progress
from instep.snapshot.format.manifest import is_file_of_a_snapshot

LIMITS: Final = Limits(stored=64 << 30, unpacked=64 << 30, members=1000)
_ARCHIVE: Final = "snapshot.tar.gz"
_HASH: Final = ".snapshot_hash"
_UNFINISHED: Final = (f"{SQLITE}-wal", f"{SQLITE}-journal")
_ID: Final = re.compile(r"\d{8}_\d{6}(_\d{6}_[0-9a-f]{8})?")
_MD5: Final = re.compile("md5:([0-9a-f]{32})")
_SMALL: Final = 4096  # bytes of a pointer or a hash file, generously


@dataclass(frozen=True)
class Found:
    """A snapshot fetched: its id, and whether a hash vouches for its bytes (older forms cannot)."""

    id: str
    hash_checked: bool


def fetch(
    source: Objects,
    collection: str,
    id_: str | None,
    directory: Path,
    progress: Progress,
    limits: Limits = LIMITS,
) -> Found:
    """Write the snapshot the pointer names, or `id_`, into an empty directory; ImportRejected.

    `progress` gets bytes done and in all. StorageUnavailable when S3 does not answer.
    """
    id_ = _checked_id(collection, id_ or _pointer(source, collection))
    folder = f"{collection}/snapshot/timestamped/{id_}/"
    where = f"s3://{source.bucket}/{folder}"
    try:
        listing = _listing(source, folder, limits)
        tell = _Told(progress, _bytes_to_fetch(listing))
        if _ARCHIVE in listing:
            checked = _fetch_archive(source, listing, directory, tell, limits)
        else:
            _fetch_loose(source, listing, directory, tell, limits)
            checked = False
    except (ArchiveRejected, ObjectMissing, ObjectTooLarge) as error:
        raise ImportRejected(f"{where}: {error}") from error
    _require_closed(directory, where)
    return Found(id_, checked)


def _pointer(source: Objects, collection: str) -> str:
    key = f"{collection}/snapshot/latest-pointer.txt"
    try:
        return source.get(key, _SMALL).body.decode("ascii", "replace").strip()
    except (ObjectMissing, ObjectTooLarge) as error:
        raise ImportRejected(
            f"{error}: name the bucket of the snapshots, or the id of one of them"
        ) from error


def _checked_id(collection: str, id_: str) -> str:
    if not _ID.fullmatch(id_):
        raise ImportRejected(
            f"{collection}: {id_[:60]!r} is no id of a snapshot (YYYYMMDD_HHMMSS, or that with "
            f"_ffffff_ and 8 hexadecimal digits behind)"
        )
    return id_


def _listing(source: Objects, folder: str, limits: Limits) -> dict[str, Listed]:
    """Map what lies in the folder by its name there."""
    listing: dict[str, Listed] = {}
    for entry in source.list(folder):
        name = entry.key.removeprefix(folder)
        if name and not name.endswith("/"):
            check_name(name)
            listing[name] = entry
        if len(listing) > limits.members:
            raise ArchiveRejected(f"more than {limits.members} files")
    if not listing:
        raise ArchiveRejected("nothing lies there")
    return listing


def _bytes_to_fetch(listing: dict[str, Listed]) -> int:
    if _ARCHIVE in listing:
        return listing[_ARCHIVE].size
    return sum(entry.size for name, entry in listing.items() if _is_wanted(PurePosixPath(name)))


def _fetch_archive(
    source: Objects,
    listing: dict[str, Listed],
    directory: Path,
    tell: "_Told",
    limits: Limits,
) -> bool:
    """Fetch the archive, then check its hash, and only then look into it."""
    archive = directory / _ARCHIVE
    found = md5(usedforsecurity=False)

    def each(chunk: bytes) -> None:
        found.update(chunk)
        tell(chunk)

    source.download(listing[_ARCHIVE].key, archive, limits.stored, each)
    said = _said_hash(source, listing)
    if said is not None and said != found.hexdigest():
        raise ArchiveRejected(
            f"{_ARCHIVE} has md5 {found.hexdigest()}, its {_HASH} says {said}: it is damaged, "
            f"import another id"
        )
    with archive.open("rb") as stream:
        unpack(stream, directory, limits, _is_wanted)
    archive.unlink()
    return said is not None


def _fetch_loose(
    source: Objects,
    listing: dict[str, Listed],
    directory: Path,
    tell: "_Told",
    limits: Limits,
) -> None:
    left = limits.unpacked
    for name, entry in listing.items():
        if _is_wanted(PurePosixPath(name)):
            target = directory / name
            target.parent.mkdir(exist_ok=True)
            source.download(entry.key, target, left, tell)
            left -= entry.size


def _said_hash(source: Objects, listing: dict[str, Listed]) -> str | None:
    """Return the md5 that the archive should have; None when none is known, or of another kind."""
    if _HASH not in listing:
        return None
    text = source.get(listing[_HASH].key, _SMALL).body.decode("ascii", "replace").strip()
    match = _MD5.fullmatch(text)
    return match[1] if match else None


def _is_wanted(path: PurePosixPath) -> bool:
    return is_file_of_a_snapshot(str(path)) or str(path) in _UNFINISHED


def _require_closed(directory: Path, where: str) -> None:
    if not (directory / SQLITE).is_file():
        raise ImportRejected(f"{where}: it holds no {SQLITE}")
    for name in _UNFINISHED:
        unfinished = directory / name
        if unfinished.is_file():
            if unfinished.stat().st_size:
                raise ImportRejected(
                    f"{where}: it has a {name}, so its writer did not close it: import another id"
                )
            unfinished.unlink()


class _Told:
    """Tells how many bytes have come so far."""

    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, chunk: bytes) -> None:
        self._done += len(chunk)
        self._progress(self._done, self._total)

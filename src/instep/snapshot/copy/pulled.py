"""A directory that `pull` wrote: plain chromadb opens it, and so does a reader, S3 never asked.

Beside a version's files lies what it was: its manifest, and the two pages that chromadb writes at
every open. So a reader can check each page as it copies them, and forgive those two: the copy is
the version, byte for byte, though somebody looked at the directory with chromadb. Whoever wrote to
it has made it their own, and it is read with chromadb from then on.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from instep.aws.objects import Objects
from instep.chroma.sqlite_rows import SQLITE, page_of_opens
from instep.errors import LocationRejected, SnapshotCorrupt, VersionRejected
from instep.snapshot.copy.claim import claim, clear, remove
from instep.snapshot.copy.fetch import FilePlan, Prepared, Progress
from instep.snapshot.copy.local_disk import local_disk
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.versions import StoredVersions
from instep.snapshot.copy.writable import check_readable
from instep.snapshot.format import document
from instep.snapshot.format.freshness import Freshness
from instep.snapshot.format.manifest import (
    MAX_MANIFEST_BYTES,
    FileEntry,
    Manifest,
    parse,
    require,
)
from instep.snapshot.format.pages import Digest, PageFile, read_pages

PULLED: Final = "instep.json"
"""The file that says what a pulled directory is."""
_KIND: Final = "pulled"
_MOST_BYTES: Final = 2 * MAX_MANIFEST_BYTES
_CURE: Final = "pull it again into a new directory, or open it with chromadb.PersistentClient"


def pull(
    objects: Objects,
    collection: str,
    directory: Path,
    at: str | None = None,
    progress: Progress | None = None,
) -> str:
    """Write a verified copy that plain `chromadb.PersistentClient(directory)` opens, and that is
    a location for `open_snapshot`.

    The directory must be missing or empty: FileExistsError otherwise. It appears whole or not at
    all. `progress` gets bytes done and bytes in all. Returns the version; errors as open_snapshot.
    """
    store = SnapshotStore(objects, collection)
    versions = StoredVersions(store)
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty: name a new directory")
    version = versions.wanted(at)[0].version
    directory = directory.absolute()
    beside = directory.with_name(f".{directory.name}.pull")
    with local_disk(directory), claim(beside) as scratch:
        copy = scratch / "data"
        clear(copy)  # of a pull that was killed
        try:
            with versions.unless_swept(version):
                manifest = store.materialise(version, copy, progress)
            check_readable(copy / SQLITE, collection)
            (copy / PULLED).write_bytes(_described(manifest, copy / SQLITE))
            copy.replace(directory)
        finally:
            remove(scratch)
            with suppress(OSError):  # another pull to the same place is at work in it
                beside.rmdir()
    return version


class PulledVersions:
    """The one version that a directory holds; see `Versions`.

    LocationRejected unless `pull` wrote the collection into `directory`, or into the folder of the
    collection's name there.
    """

    def __init__(self, directory: Path, collection: str) -> None:
        self.collection = collection
        self._directory = _found(directory, collection)
        self._read()

    def wanted(self, at: str | None) -> tuple[Manifest, Freshness]:
        """Return what lies there; VersionRejected when `at` is another version."""
        manifest, _ = self._read()
        if at not in (None, manifest.version):
            why = f"{self._directory} holds {manifest.version} alone"
            raise VersionRejected(self.collection, str(at), why)
        return manifest, manifest.freshness

    def newer(self, than: str) -> tuple[Manifest, Freshness] | None:
        """Return what lies there, when it was pulled anew."""
        manifest, _ = self._read()
        return None if manifest.version == than else (manifest, manifest.freshness)

    def lineage(self, most: int) -> list[Manifest]:
        """Return the one version."""
        return [self._read()[0]][:most]

    @contextmanager
    def unless_swept(self, _version: str) -> Iterator[None]:
        """Nobody sweeps here."""
        yield

    def fetch(self, plans: Iterable[FilePlan], progress: Progress | None = None) -> list[Prepared]:
        """Copy files, each page checked; SnapshotCorrupt when one is not what was pulled."""
        plans = list(plans)
        _, opens = self._read()
        total, moved = sum(plan.layers[-1].size for plan in plans), 0
        ready: list[Prepared] = []
        try:
            for plan in plans:
                ready.append(self._copied(plan, opens if plan.path.name == SQLITE else {}))
                moved += plan.layers[-1].size
                if progress:
                    progress(moved, total)
        except BaseException:
            for prepared in ready:
                prepared.discard()
            raise
        return ready

    def _copied(self, plan: FilePlan, opens: Mapping[int, bytes]) -> Prepared:
        layer, name = plan.layers[-1], plan.path.name
        source = self._directory / (name if name == SQLITE else f"{plan.path.parent.name}/{name}")
        prepared = Prepared(plan.path, plan.path.with_name(f"{name}.partial"), {}, layer.size)
        plan.path.parent.mkdir(parents=True, exist_ok=True)
        digest = Digest(hashes=plan.hashes)
        try:
            _copy_pages(source, prepared.partial, opens, digest)
        except BaseException as error:
            prepared.discard()
            if isinstance(error, FileNotFoundError):
                raise SnapshotCorrupt(self.collection, f"{source} is gone", _CURE) from error
            raise
        if digest.hex() != layer.digest:
            prepared.discard()
            what = f"{source} is no longer what was pulled"
            raise SnapshotCorrupt(self.collection, what, _CURE)
        return prepared

    def _read(self) -> tuple[Manifest, Mapping[int, bytes]]:
        """Return the version, each file as one layer, and its pages that an open writes."""
        found = described(self._directory)
        if found is None:
            raise LocationRejected(self._directory, f"holds {self.collection} no more")
        return found


def described(directory: Path) -> tuple[Manifest, Mapping[int, bytes]] | None:
    """Return what a directory says that `pull` wrote into it, None when it says nothing.

    LocationRejected when what it says is damaged, SnapshotUnsupported when it is of another format.
    """
    file = directory / PULLED
    if not file.is_file():
        return None
    try:
        require(file.stat().st_size <= _MOST_BYTES, "it is larger than any ever was")
        content = document.read(_KIND, file.read_bytes())
        manifest = parse(content["manifest"].encode())
        opens = {int(number): bytes.fromhex(page) for number, page in content["opens"].items()}
    except document.MISREAD as error:
        raise LocationRejected(directory, f"has a damaged {PULLED} ({error})") from error
    files = {name: FileEntry(entry.layers[-1:]) for name, entry in manifest.files.items()}
    return replace(manifest, files=files), opens


def _copy_pages(source: Path, to: Path, instead: Mapping[int, bytes], digest: Digest) -> None:
    with to.open("wb") as file:
        for number, found in read_pages(source):
            page = instead.get(number, found)
            digest.add(number, page)
            file.write(page)


def _described(manifest: Manifest, main: Path) -> bytes:
    with PageFile(main) as file:
        opens = {str(number): file.read(number).hex() for number in (1, page_of_opens(main))}
    return document.write(_KIND, {"manifest": manifest.to_bytes().decode(), "opens": opens})


def _found(directory: Path, collection: str) -> Path:
    for place in (directory, directory / collection):
        found = described(place)
        if found is not None and found[0].collection == collection:
            return place
    raise LocationRejected(directory, f"holds no copy of {collection} that `instep pull` wrote")

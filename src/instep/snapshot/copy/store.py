"""One collection on S3: its HEAD, its versions, its packs; and a version made into a directory.

The layout is docs/design.md's: COLLECTION/HEAD, COLLECTION/versions/VERSION.json and
COLLECTION/packs/HASH. All that is read is checked before it is believed; what is missing or wrong
is SnapshotCorrupt and names the object.
"""

import shutil
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import Final

from instep.aws.objects import Listed, ObjectMissing, Objects, ObjectTooLarge
from instep.clock import Clock, utc_now
from instep.errors import ConfigurationMissing, SnapshotCorrupt
from instep.snapshot.copy.cache import PackCache
from instep.snapshot.copy.fetch import Damaged, FilePlan, Prepared, Progress, prepare
from instep.snapshot.format.document import DocumentDamaged
from instep.snapshot.format.head import Head, HeadName, read_head
from instep.snapshot.format.manifest import (
    MAX_MANIFEST_BYTES,
    Manifest,
    PackRef,
    parse,
    require,
    version_id,
)
from instep.snapshot.format.pack import EncodedPack

_THREADS: Final = 8
_AHEAD: Final = 12  # packs asked for before they are needed: bounds the memory of a long fetch


class SnapshotStore:
    """The snapshots of one collection in one bucket; with a `cache`, packs are read through it.

    `beside`: HEAD is that of a successor in the making, on the same versions and packs.
    """

    def __init__(
        self,
        objects: Objects,
        collection: str,
        clock: Clock = utc_now,
        cache: PackCache | None = None,
        beside: str = "",
    ) -> None:
        self.objects = objects
        self.collection = collection
        self.clock = clock
        self.head_name = HeadName(collection, beside)
        self._cache = cache

    def beside(self, name: str) -> "SnapshotStore":
        """Return the same collection with the HEAD of a successor."""
        return SnapshotStore(self.objects, self.collection, self.clock, self._cache, name)

    def successors(self) -> list[str]:
        """Return the names of all successors that have a HEAD."""
        prefix = f"{HeadName(self.collection).key}."
        return [listed.key.removeprefix(prefix) for listed in self.objects.list(prefix)]

    def head(self) -> Head | None:
        """Return HEAD, None before the first version; SnapshotCorrupt when it is damaged."""
        return read_head(self.objects, self.head_name)

    def manifest(self, version: str) -> Manifest:
        """Return a version's manifest; SnapshotCorrupt when missing or damaged."""
        manifest = self.find_manifest(version)
        if manifest is None:
            key = self.manifest_key(version)
            raise SnapshotCorrupt(self.collection, f"manifest {key} does not exist")
        return manifest

    def find_manifest(self, version: str) -> Manifest | None:
        """Return a version's manifest, None when there is none; SnapshotCorrupt when damaged."""
        key = self.manifest_key(version)
        try:
            fetched = self.objects.find(key, limit=MAX_MANIFEST_BYTES)
            if fetched is None:
                return None
            manifest = parse(fetched.body)
            require(
                (manifest.collection, manifest.version) == (self.collection, version),
                f"it is that of {manifest.collection} {manifest.version}",
            )
        except (ObjectTooLarge, DocumentDamaged) as error:
            raise SnapshotCorrupt(self.collection, f"manifest {key}: {error}") from error
        return manifest

    def versions(self) -> Iterator[Listed]:
        """Yield every version file that exists, oldest first, published or not."""
        return self.objects.list(f"{self.collection}/versions/")

    def all_packs(self) -> Iterator[Listed]:
        """Yield every pack that exists, named by a version or not."""
        return self.objects.list(self.pack_key(""))

    def new_version(self) -> str:
        """Return a version id that sorts by time and that nobody else will ever have."""
        return f"{self.clock():%Y%m%dT%H%M%S.%fZ}-{token_hex(4)}"

    def manifest_key(self, version: str) -> str:
        """Return the key of a version's manifest; SnapshotCorrupt for what is no version's id."""
        try:
            return f"{self.collection}/versions/{version_id(version)}.json"
        except DocumentDamaged as error:
            raise SnapshotCorrupt(self.collection, str(error)) from error

    def pack_key(self, name: str) -> str:
        """Return the key of a pack."""
        return f"{self.collection}/packs/{name}"

    @property
    def head_key(self) -> str:
        """The key of HEAD."""
        return self.head_name.key

    def put_packs(self, packs: Iterable[EncodedPack]) -> list[PackRef]:
        """Store packs, a few at a time; returns what a manifest says of them, in order."""
        refs: list[PackRef] = []
        with ThreadPoolExecutor(_THREADS) as pool:
            waiting: list[Future[None]] = []
            for pack in packs:
                waiting.append(pool.submit(self._put_pack, pack))
                refs.append(PackRef(pack.hash, len(pack.body), pack.pages))
                if len(waiting) >= _THREADS:
                    waiting.pop(0).result()
            for future in waiting:
                future.result()
        return refs

    def put_manifest(self, manifest: Manifest) -> None:
        """Check the manifest and store it: the packs it names must be there by now."""
        self.objects.put(self.manifest_key(manifest.version), manifest.to_bytes())

    def packs(self, refs: Iterable[PackRef]) -> Generator[bytes, None, None]:
        """Yield the packs' bodies in order, fetched in parallel a bounded number ahead."""
        waiting = list(refs)
        pool = ThreadPoolExecutor(_THREADS)
        try:
            ahead = [pool.submit(self._pack, ref) for ref in waiting[:_AHEAD]]
            for ref in waiting[_AHEAD:]:
                yield ahead.pop(0).result()
                ahead.append(pool.submit(self._pack, ref))
            while ahead:
                yield ahead.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)

    def fetch(self, plans: Iterable[FilePlan], progress: Progress | None = None) -> list[Prepared]:
        """Make the next content of files ready, to be committed; SnapshotCorrupt on wrong bytes.

        ConfigurationMissing, before anything is fetched, when the disk has no room for new files.
        `progress` gets bytes done and bytes in all, of packs.
        """
        plans = list(plans)
        self._require_room([plan for plan in plans if plan.start is None])
        total = sum(plan.bytes for plan in plans)
        moved = 0

        def done(count: int) -> None:
            nonlocal moved
            moved += count
            if progress:
                progress(moved, total)

        ready: list[Prepared] = []
        with closing(self.packs(ref for plan in plans for ref in plan.refs)) as bodies:
            try:
                ready.extend(prepare(plan, bodies, done) for plan in plans)
            except BaseException as error:
                for prepared in ready:
                    prepared.discard()
                if isinstance(error, Damaged):
                    what = f"pack {self.pack_key(error.pack)}: {error}"
                    raise SnapshotCorrupt(self.collection, what) from error
                raise
        return ready

    def materialise(
        self, version: str, directory: Path, progress: Progress | None = None
    ) -> Manifest:
        """Write a version's files into an empty directory, every page checked; return its manifest.

        `progress` gets bytes done and bytes in all, of packs.
        """
        manifest = self.manifest(version)
        directory.mkdir(parents=True, exist_ok=True)
        plans = [FilePlan(directory / name, file.layers) for name, file in manifest.files.items()]
        for prepared in self.fetch(plans, progress):
            prepared.commit()
        return manifest

    def _require_room(self, fresh: Sequence[FilePlan]) -> None:
        needed = sum(plan.layers[-1].size for plan in fresh)
        for plan in fresh[:1]:
            folder = next(parent for parent in plan.path.parents if parent.exists())
            free = shutil.disk_usage(folder).free
            if needed > free:
                raise ConfigurationMissing(
                    f"{self.collection}: a copy takes {needed} bytes and {folder} has {free} free: "
                    f"give it more room (a function: ephemeral storage), or name another folder"
                )

    def _put_pack(self, pack: EncodedPack) -> None:
        self.objects.put(self.pack_key(pack.hash), pack.body)
        if self._cache:
            self._cache.put(pack.hash, pack.body)  # the next writer may be on another machine

    def _pack(self, ref: PackRef) -> bytes:
        held = self._cache.get(ref) if self._cache else None
        if held is not None:
            return held
        try:
            body = self.objects.get(self.pack_key(ref.hash), limit=ref.bytes).body
        except (ObjectMissing, ObjectTooLarge) as error:
            raise SnapshotCorrupt(self.collection, f"pack {error}") from error
        if self._cache:
            self._cache.put(ref.hash, body)
        return body

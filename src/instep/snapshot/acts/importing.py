"""Take a predecessor's snapshot in: its vectors and records, from which all else is made anew here.

Nothing of it is believed, and no native code reads its index: `rebuilding`. One's own backups may
keep theirs: `trusting`.
"""

from dataclasses import dataclass
from pathlib import Path

from instep.aws.objects import Objects
from instep.disk import on_disk
from instep.errors import ImportRejected, StorageUnavailable
from instep.scratch import scratch_folder
from instep.snapshot.acts import predecessor
from instep.snapshot.acts.predecessor import Found
from instep.snapshot.acts.publish import Staged, publish_unleased
from instep.snapshot.acts.rebuilding import Identify, Reading, rebuild
from instep.snapshot.acts.shipping import Change, ship_base
from instep.snapshot.acts.staging import Origin, put_version
from instep.snapshot.acts.trusting import make_safe
from instep.snapshot.copy.fetch import Progress
from instep.snapshot.copy.inventory import missing_packs, refuse_lost_head
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.head import Head
from instep.snapshot.format.manifest import Facts
from instep.snapshot.format.pages import PageFile


@dataclass(frozen=True)
class Imported:
    """What was published: `id` is the predecessor's, `bytes` what it takes in S3.

    `index_kept`: the vector index is the predecessor's own, or else it was built here.
    `hash_checked`: the predecessor's own hash vouched for the bytes; older snapshots have none.
    """

    version: str
    id: str
    hash_checked: bool
    embeddings: int
    bytes: int
    index_kept: bool


@dataclass(frozen=True)
class Request:
    """What to import: from where, the newest unless `id`; on a head only if `on_head`.

    `reading` reads the records of a foreign directory; None keeps its index, which is trusted then.
    `identify` says by an id what finds its embedding, whatever else was written there.
    """

    source: Objects
    writer: str
    reading: Reading | None
    identify: Identify
    id: str | None = None
    on_head: bool = False


def untold(_done: int, _total: int) -> None:
    """Tell nobody how far it is."""


def import_snapshot(
    store: SnapshotStore,
    request: Request,
    scratch: Path,
    progress: Progress = untold,
    building: Progress = untold,
) -> Imported:
    """Publish a predecessor's snapshot as the first version, or on the head if asked.

    ImportRejected with nothing published; so is StorageUnavailable, when S3 or the local disk
    fails. SnapshotConflict: somebody published meanwhile. Costs twice the space of the collection,
    in `scratch`, and 3.3 ms a vector of 1,536 floats, nothing for an index that is kept. `progress`
    gets bytes fetched, `building` vectors indexed.
    """
    head = store.head()
    if head is None:
        refuse_lost_head(store)  # or history would be cut off, and swept
    elif not request.on_head:
        raise ImportRejected(
            f"{store.collection} has a version already ({head.version}): nothing was imported. To "
            f"publish the import as a new version on it, which hides what that one holds, ask for "
            f"it with --on-head"
        )
    with (
        on_disk(f"import {store.collection}"),
        scratch_folder(scratch, "import") as folder,
    ):
        theirs, directory = folder / "theirs", folder / "made"
        theirs.mkdir()
        found = predecessor.fetch(request.source, store.collection, request.id, theirs, progress)
        if request.reading is None:
            directory = theirs
            facts = make_safe(directory, store.collection, request.identify)
        else:
            facts = rebuild(
                theirs,
                directory,
                store.collection,
                request.reading,
                request.identify,
                building,
            )
        staged = _stage(store, request, found, head, directory, facts)
    version = publish_unleased(store, staged).version
    return Imported(
        version=version,
        id=found.id,
        hash_checked=found.hash_checked,
        embeddings=facts.embeddings,
        bytes=staged.bytes,
        index_kept=request.reading is None,
    )


def _stage(
    store: SnapshotStore,
    request: Request,
    found: Found,
    head: Head | None,
    directory: Path,
    facts: Facts,
) -> Staged:
    version = store.new_version()
    sent = store.objects.traffic.up
    files = {}
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        with PageFile(path) as pages:
            change = Change(path.stat().st_size, {}, pages.read)
            files[str(path.relative_to(directory))] = ship_base(store, version, change)
    note = {
        "imported": found.id,
        "from": request.source.bucket,
        "hash_checked": found.hash_checked,
        "index_kept": request.reading is None,
    }
    token = head.fencing_token if head else 0
    origin = Origin(request.writer, token, None, note, head)
    staged = put_version(store, version, origin, facts, files, sent)
    # A laptop may have slept for longer than a sweep spares packs that nobody names yet.
    if missing_packs(store, store.manifest(version)):
        raise StorageUnavailable(
            f"{store.collection}: the import took so long that a sweep has taken some of it for "
            f"garbage; nothing was published, import again"
        )
    return staged

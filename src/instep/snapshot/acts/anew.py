"""Build a collection anew beside the one that is read, when what decides its embeddings changed.

Another document, field or embedder is another collection, and a half of each serves nobody. So a
writer whose mapping is not the head's writes to a successor: a HEAD of its own, HEAD.IDENTITY, on
the same versions and packs. Readers stay with the old one, as it was, until the successor has all
of the table and takes over: as one new version, on the head, like a rollback.
"""

from dataclasses import dataclass

from instep.errors import ConfigurationMissing
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.staging import Origin, put_version
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.head import Head
from instep.snapshot.format.manifest import Manifest


@dataclass(frozen=True)
class TakenOver:
    """HEAD is now `version`, with the content of a successor; `replaced` is what it was before."""

    version: str
    replaced: str | None


@dataclass(frozen=True)
class Start:
    """Where a writer works: the `store` whose HEAD it moves, that HEAD, and what it goes on from.

    A successor without a version goes on from the old head's content if it keeps its vectors.
    """

    store: SnapshotStore
    head: Head | None
    manifest: Manifest | None


def writing_to(store: SnapshotStore, identity: str) -> SnapshotStore:
    """Return the store that a writer of this identity works on: the head's, or its successor's.

    A head of no identity is anybody's: it is older than identities, or a predecessor's.
    """
    return start(store, identity).store


def start(store: SnapshotStore, identity: str) -> Start:
    """Return where a writer of this identity starts."""
    head = store.head()
    manifest = store.manifest(head.version) if head else None
    if not identity or manifest is None or manifest.made_by.identity in ("", identity):
        return Start(store, head, manifest)
    successor = store.beside(identity)
    theirs = successor.head()
    if theirs is not None:
        return Start(successor, theirs, store.manifest(theirs.version))
    return Start(
        successor,
        None,
        manifest if _vectors(manifest.made_by.identity) == _vectors(identity) else None,
    )


def _vectors(identity: str) -> str:
    return identity.partition("-")[0]


def take_over(store: SnapshotStore, identity: str, writer: str) -> TakenOver:
    """Publish what the successor of this identity holds as the head, and let the successor go.

    Under the collection's lease, or a run that began before may still publish to the successor.
    ConfigurationMissing when there is none. SnapshotConflict, StorageUnavailable: do it again.
    """
    successor = store.beside(identity)
    theirs, head = successor.head(), store.head()
    if theirs is None:
        raise ConfigurationMissing(
            f"{store.collection} is not being built anew: there is nothing to take over"
        )
    made = store.manifest(theirs.version)
    token = max(theirs.fencing_token, head.fencing_token if head else 0)
    note = {"anew": theirs.version}
    origin = Origin(writer, token, theirs.watermark, note, head, made_by=made.made_by)
    sent = store.objects.traffic.up
    staged = put_version(store, store.new_version(), origin, made.facts, made.files, sent)
    published = publish_unleased(store, staged)
    store.objects.delete([successor.head_key])
    return TakenOver(published.version, head.version if head else None)

"""Store a version's manifest and describe it for whoever publishes it: the end of every stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from instep.snapshot.acts.folding import fold_due
from instep.snapshot.acts.publish import Staged
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.freshness import ChangeTimes
from instep.snapshot.format.head import Head
from instep.snapshot.format.manifest import NOBODY, Facts, FileEntry, MadeBy, Manifest


@dataclass(frozen=True)
class Origin:
    """Who stages a version, with which right, how far it is, and on which head.

    `times` are those of the table's changes it brings; None when it brings none. In that head
    `pending` vectors wait for a fold.
    """

    writer: str
    fencing_token: int
    watermark: str | None
    note: Mapping[str, Any]
    parent: Head | None
    times: ChangeTimes | None = None
    made_by: MadeBy = NOBODY
    pending: int = 0


def put_version(
    store: SnapshotStore,
    version: str,
    origin: Origin,
    facts: Facts,
    files: Mapping[str, FileEntry],
    sent: int,
) -> Staged:
    """Store the manifest; the packs it names are there. `sent`: traffic.up before the first."""
    parent = origin.parent
    manifest = Manifest(
        collection=store.collection,
        version=version,
        parent=parent.version if parent else None,
        created_at=store.clock().isoformat(),
        writer=origin.writer,
        fencing_token=origin.fencing_token,
        watermark=origin.watermark,
        facts=facts,
        files=files,
        note=origin.note,
        times=origin.times,
        made_by=origin.made_by,
    )
    store.put_manifest(manifest)
    return Staged(
        collection=store.collection,
        changed=True,
        version=version,
        parent=manifest.parent,
        witness=parent.etag if parent else None,
        manifest=store.manifest_key(version),
        fencing_token=origin.fencing_token,
        watermark=origin.watermark,
        fold=fold_due(manifest, origin.pending),
        bytes=store.objects.traffic.up - sent,
        times=origin.times,
        beside=store.head_name.beside,
    )

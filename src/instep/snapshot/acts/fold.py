"""Rewrite a chain into a short one: persist the vector index, drop free pages, new bases.

The only act that loads the index, and so the only one whose cost follows the collection
(docs/design.md, "Fold"). It works on a copy of its own under `root` and stages a version like any
writer; a reader of the folded version replays nothing.
"""

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from instep.chroma import sqlite_rows, sqlite_wal
from instep.chroma.persisting import persist
from instep.chroma.sqlite_rows import SQLITE
from instep.disk import on_disk
from instep.errors import ConfigurationMissing, SnapshotUnsupported
from instep.scratch import scratch_folder, sweep_scratch
from instep.snapshot.acts.folding import is_heavy, needs_vacuum
from instep.snapshot.acts.publish import Staged
from instep.snapshot.acts.shipping import BASE_SHARE, Change, ship, ship_base
from instep.snapshot.acts.staging import Origin, put_version
from instep.snapshot.copy.claim import claim
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.warm import WarmCopy
from instep.snapshot.copy.writable import check_writable
from instep.snapshot.format.manifest import Facts, FileEntry, Manifest
from instep.snapshot.format.pages import PageFile, changed, page_count


def fold(
    store: SnapshotStore,
    root: Path,
    writer: str,
    fencing_token: int,
    note: Mapping[str, Any] | None = None,
) -> Staged:
    """Stage a version with the head's content, folded; `root` is a directory that stays warm.

    ConfigurationMissing without a head; StorageUnavailable when S3 or the local disk fails. Costs
    the time and space of two copies of the collection.
    """
    with on_disk(f"fold {store.collection}"), claim(root) as directory:
        sweep_scratch(directory)
        head = store.head()
        if head is None:
            raise ConfigurationMissing(f"{store.collection} has no version yet: nothing to fold")
        parent = store.manifest(head.version)
        copy = WarmCopy(directory)
        copy.prove()  # a base carries all of it on, and what chromadb reads of it
        copy.bring_to(store, parent, _concerned(parent))
        check_writable(copy.main, store.collection)
        with scratch_folder(directory, "fold") as folded:
            _copy(copy, folded)
            main = folded / SQLITE
            _, deletes = sqlite_rows.queued(main)
            if parent.facts.pending_vectors:
                persist(folded, parent.collection)
            version = store.new_version()
            sent = store.objects.traffic.up
            entry = partial(_entry, store, version, parent, copy, folded)
            index = sorted(_files(folded) - {SQLITE})
            with ThreadPoolExecutor(1) as beside:  # the index is on its way while SQLite vacuums
                shipped = beside.submit(lambda: {name: entry(name) for name in index})
                facts = _tidy(main, parent, deletes)
                files = {**parent.files, SQLITE: entry(SQLITE), **shipped.result()}
            origin = Origin(
                writer, fencing_token, head.watermark, note or {}, head, made_by=parent.made_by
            )
            return put_version(store, version, origin, facts, files, sent)


def _concerned(parent: Manifest) -> frozenset[str]:
    """Return the files a fold reads: an index that nothing waits for stays, unless it is heavy."""
    of_index = [entry for name, entry in parent.files.items() if name != SQLITE]
    whole = parent.facts.pending_vectors > 0 or any(map(is_heavy, of_index))
    return frozenset(parent.files if whole else {SQLITE})


def _copy(copy: WarmCopy, folded: Path) -> None:
    """Copy the files, as published, for a full client to work on."""
    for name in _files(copy.data):  # copytree would say what failed, and not how
        target = folded / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(copy.data / name, target)
    sqlite_wal.disarm(folded / SQLITE)


def _tidy(main: Path, parent: Manifest, deletes: int) -> Facts:
    """Prune the database, vacuum it when it is worth it after so many deletes; return its facts."""
    facts = Facts(**vars(sqlite_rows.prune(main)))
    if facts.pending_vectors:
        raise SnapshotUnsupported(
            f"{main}: {facts.pending_vectors} vectors were not persisted; chromadb behaves "
            f"otherwise than the release this was tested with"
        )
    pages = page_count(main.stat().st_size)
    if needs_vacuum(facts, pages, deletes) or is_heavy(parent.files[SQLITE]):
        sqlite_rows.vacuum(main)
        facts = Facts(**vars(sqlite_rows.standing(main)))
    return facts


def _entry(
    store: SnapshotStore,
    version: str,
    parent: Manifest,
    copy: WarmCopy,
    folded: Path,
    name: str,
) -> FileEntry:
    """Ship a file: nothing if it is as it was, an increment, or a base if its chain is heavy."""
    path = folded / name
    size = path.stat().st_size
    before = parent.files.get(name)
    normal = sqlite_wal.normal_page if name == SQLITE else None
    with PageFile(path) as now:
        whole = Change(size, {}, now.read)
        if before is None or is_heavy(before):
            return ship_base(store, version, whole)
        pages = changed(copy.data / name, path, normal)
        if not pages and size == before.size:
            return before
        with PageFile(copy.data / name, normal) as old:
            change = Change(size, pages, old.read)
            entry = ship(store, version, before, change, _base_share(name))
        return ship_base(store, version, whole) if is_heavy(entry) else entry


def _base_share(name: str) -> float:
    """Return from which share of its pages on a file is a new base.

    A new vector touches the links of many pages, and leaves the vectors, which are most of them and
    hardly compress, where they are: an increment is smaller whatever the number of its pages.
    """
    return 1.0 if name.endswith("/data_level0.bin") else BASE_SHARE


def _files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}

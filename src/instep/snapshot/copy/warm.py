"""A copy of a snapshot on this machine, what it holds, and how it heals after a sudden death.

A small state file says which version lies in `data`; it is gone while files are being changed, so
a copy without one is worth nothing and is fetched anew. Writes to the database wait in the WAL: it
is either written into the file, when HEAD turned out to descend from it, or dropped, which leaves
the parent byte for byte. A file somebody else touched (size, time, inode) is not trusted. Nothing
here waits for the disk: after a restart of the machine each file has to prove its digest. Locally
only page 1 of the database may differ from what was published: in its header.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from instep.chroma import sqlite_wal
from instep.chroma.sqlite_rows import SQLITE
from instep.disk import is_disks
from instep.errors import SnapshotCorrupt
from instep.snapshot.copy.claim import clear
from instep.snapshot.copy.copy_state import Held, State, Waiting, boot, parse, to_bytes
from instep.snapshot.copy.fetch import Fetches, FilePlan, Prepared, Progress, missing_layers
from instep.snapshot.copy.page_hashes import KeptHashes
from instep.snapshot.format.document import DocumentDamaged
from instep.snapshot.format.manifest import FileEntry, Layer, Manifest
from instep.snapshot.format.pages import PageFile, Pages, file_digest, write_pages

_NORMAL: Final = {SQLITE: sqlite_wal.normal_page}


@dataclass(frozen=True)
class Ready:
    """A version, fetched and checked and not yet in place: the plans of files and their content.

    `since` is what the copy held then, and must still hold when this is put in place.
    """

    manifest: Manifest
    since: State
    kept: Mapping[str, Held]
    plans: Mapping[str, FilePlan]
    contents: Sequence[Prepared]


class WarmCopy:
    """The copy in `directory`, claimed by the caller."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.main = self.data / SQLITE
        self.hashes = KeptHashes(directory / "hashes")  # of the database, for who writes on it
        self._state_file = directory / "state.json"
        self._beside = directory / "state.new"

    def bring_to(
        self,
        store: Fetches,
        manifest: Manifest,
        names: frozenset[str],
        progress: Progress | None = None,
    ) -> None:
        """Make the copy hold the named files of a version, and no others.

        Fetches what is missing; a copy that turns out damaged is dropped and fetched whole.
        """
        clear(self._beside)
        self._outlive_restart()
        self.restore_header()
        self._settle(manifest)
        self.drop_writes()
        if not self.state().files:
            self.wipe()
        self.commit(self.prepare(store, manifest, names, progress))

    def prepare(
        self,
        store: Fetches,
        manifest: Manifest,
        names: frozenset[str],
        progress: Progress | None = None,
    ) -> Ready:
        """Fetch what a version has and the copy lacks; the copy itself is not touched."""
        since = self.state()
        try:
            return self._fetch(store, manifest, names, since, since.files, progress)
        except SnapshotCorrupt:
            if not since.files:
                raise
            return self._fetch(store, manifest, names, since, {}, progress)

    def commit(self, ready: Ready) -> None:
        """Put it in place. No client may have the copy open."""
        state = self.state()
        reached = State(ready.manifest.version, ready.kept)
        if not ready.plans and state == reached:
            return
        self._state_file.unlink(missing_ok=True)
        for prepared in ready.contents:
            prepared.commit()
        self.remove_extras(frozenset(ready.kept) | frozenset(ready.plans))
        fresh = {name: self.held(ready.manifest.files[name], name) for name in ready.plans}
        self.save(State(reached.version, {**ready.kept, **fresh}))
        if SQLITE in ready.plans:
            self.hashes.follow(ready.plans[SQLITE])

    def rewrite(self, state: State, pages: Pages) -> None:
        """Write pages of the database, with which the copy is what `state` says."""
        self._state_file.unlink(missing_ok=True)
        write_pages(self.main, pages, state.files[SQLITE].size)
        self.save(self._stamped(state))

    def shape(self, *, wal: bool) -> None:
        """Let the next client write into a WAL, or else into the file itself."""
        state = self.state()
        (sqlite_wal.arm if wal else sqlite_wal.disarm)(self.main)
        stamped = self._stamped(state)
        if stamped != state:
            self.save(stamped)

    def restore_header(self) -> None:
        """Give page 1 the header that was published: after its last client has closed."""
        state = self.state()
        if state.header:
            with PageFile(self.main, self.published) as file:
                first = file.read(1)
            self.rewrite(replace(state, header=""), {1: first})

    def _stamped(self, state: State) -> State:
        held = self.held(state.files[SQLITE], SQLITE)
        return replace(state, files={**state.files, SQLITE: held})

    def published(self, number: int, page: bytes) -> bytes:
        """Turn a page of the database as it stands into what was published."""
        if number != 1:
            return page
        header = bytes.fromhex(self.state().header)
        return header + page[len(header) :] if header else sqlite_wal.normal_page(number, page)

    def state(self) -> State:
        """Return what the copy is known to hold; nothing, when it is in doubt."""
        state, since = self._read()
        stands = (
            since == boot()
            and not self._has_links(state)
            and all(_stamp(self.data / name) == held.stamp for name, held in state.files.items())
        )
        return state if stands else State(None)

    def _has_links(self, state: State) -> bool:
        """Say whether a folder lies elsewhere: what is written there would be somebody else's."""
        folders = {self.data, *((self.data / name).parent for name in state.files)}
        return any(folder.is_symlink() for folder in folders)

    def _read(self) -> tuple[State, str]:
        """Return what the state file says, and since which start of the machine."""
        try:
            return parse(self._state_file.read_bytes())
        except OSError as error:
            if is_disks(error):  # then it says nothing yet of the copy
                raise
            return State(None), ""
        except DocumentDamaged:
            return State(None), ""

    def _outlive_restart(self) -> None:
        """Keep what the machine had written before it went down: files that have their digest."""
        state, since = self._read()
        if since != boot() and state.files:
            self.prove()

    def prove(self) -> bool:
        """Hold every file against its digest, read whole; what is not what it says is forgotten.

        Says whether all are what was published. No client may have the copy open.
        """
        state, _ = self._read()
        whole = {
            name: self.held(held, name)
            for name, held in state.files.items()
            if self._is_whole(name, held)
        }
        self.save(State(state.version, whole))
        return bool(whole) and whole.keys() == state.files.keys()

    def _is_whole(self, name: str, held: Held) -> bool:
        try:
            return file_digest(self.data / name, _NORMAL.get(name)) == held.digest
        except OSError:
            return False

    def save(self, state: State) -> None:
        """Write the state file, whole or not at all."""
        self._beside.write_bytes(to_bytes(state))
        self._beside.replace(self._state_file)

    def held(self, entry: FileEntry | Layer | Held, name: str) -> Held:
        """Describe a file of the copy that now is what `entry` says."""
        return Held(entry.size, entry.digest, _stamp(self.data / name))

    def made_here(self, name: str) -> Held:
        """Describe a file no version has: only its mark counts."""
        path = self.data / name
        return Held(path.stat().st_size, "", _stamp(path))

    def wait_for(self, version: str, layer: Layer) -> None:
        """Note that the WAL makes the copy into `version`, should HEAD come to name it."""
        state = self.state()
        self.save(State(state.version, state.files, Waiting(version, layer.size, layer.digest)))

    def drop_writes(self) -> None:
        """Forget what was written into the WAL, and the folder of the stub's empty index."""
        self.remove_extras(frozenset(self.state().files))

    def remove_extras(self, names: frozenset[str]) -> None:
        """Remove all that is not named: what a client leaves behind. No link is followed."""
        if self.data.is_symlink():
            return
        for place, folders, files in os.walk(self.data, topdown=False, onerror=_raise_disks):
            for path in (Path(place, name) for name in (*folders, *files)):
                if path.is_dir() and not path.is_symlink():
                    _remove_if_empty(path)
                elif str(path.relative_to(self.data)) not in names:
                    path.unlink()

    def wipe(self) -> None:
        """Forget everything."""
        for path in (self._state_file, self._beside, self.data):
            clear(path)

    def _settle(self, manifest: Manifest) -> None:
        """Decide what becomes of a WAL: HEAD descends from it, or it never was."""
        state = self.state()
        waiting = state.waiting
        if waiting is None or not sqlite_wal.wal_of(self.main).exists():
            return
        for layer in manifest.files[SQLITE].layers:
            if (layer.size, layer.digest) == (waiting.size, waiting.digest):
                held = self.held(layer, SQLITE)
                with sqlite_wal.changed_pages(self.main) as (_, pages):
                    self.rewrite(State(waiting.version, {**state.files, SQLITE: held}), pages)
                return

    def _fetch(
        self,
        store: Fetches,
        manifest: Manifest,
        names: frozenset[str],
        since: State,
        held: Mapping[str, Held],
        progress: Progress | None,
    ) -> Ready:
        plans = {
            name: plan
            for name in sorted(names)
            if (plan := self._plan(name, manifest.files[name], held.get(name)))
        }
        kept = {name: file for name, file in held.items() if name in names and name not in plans}
        return Ready(manifest, since, kept, plans, store.fetch(plans.values(), progress))

    def _plan(self, name: str, entry: FileEntry, held: Held | None) -> FilePlan | None:
        """Return what to fetch of a file, None when it is at the version."""
        path = self.data / name
        missing = missing_layers(entry, held.digest, held.size) if held else None
        hashes: dict[int, bytes] | None = {} if name == SQLITE else None
        if missing is None:
            return FilePlan(path, entry.layers, hashes=hashes)
        if not missing:
            return None
        start = entry.layers[len(entry.layers) - len(missing) - 1]
        published = self.published if name == SQLITE else None
        return FilePlan(path, missing, start, published, hashes)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        _raise_disks(error)


def _raise_disks(error: OSError) -> None:
    """Go on where a folder is gone or not empty: what the disk failed at is still in the way."""
    if is_disks(error):
        raise error


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when somebody touches the file; () for what is no file of its own."""
    try:
        found = path.lstat()
    except OSError:
        return ()
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino)

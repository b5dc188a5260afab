"""One reader's snapshot at version 0 of three, and those who move, read, close and share it."""

import tempfile
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.shipping import Change, ship
from instep.snapshot.acts.staging import Origin, put_version
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.manifest import Facts
from instep.snapshot.format.pages import PageFile, changed, file_digest
from tests.support.memory import InMemory, Time
from tests.support.reader_chroma import make
from tests.support.reader_code import Staged
from tests.support.stages import Act, Stages

NAME: Final = "words"
VERSIONS: Final = 3
# Whether vectors came with a version: it goes in place under the client, or chromadb opens anew.
FACTS: Final = (Facts(), Facts(), Facts(pending_vectors=1))


class Bucket(InMemory):
    """In memory; each call of an actor's is a point."""

    def _about_to(self, act: str) -> None:
        self.before(act)


@dataclass(frozen=True)
class Published:
    """Everything that lies in S3 once all versions are published, and HEAD at each of them."""

    held: dict[str, Any]
    heads: tuple[Any, ...]
    ids: tuple[str, ...]
    digests: dict[str, str]


@cache
def published() -> Published:
    """Publish the versions, once."""
    objects = Bucket(Time())
    store = SnapshotStore(objects, NAME, objects.time)
    heads, ids, digests = [], [], {}
    with tempfile.TemporaryDirectory() as scratch:
        now, before = Path(scratch, "now"), Path(scratch, "before")
        for number, facts in enumerate(FACTS):
            make(now, number)
            head, version = store.head(), store.new_version()
            entry = store.manifest(head.version).files[SQLITE] if head else None
            if not head:
                before.write_bytes(b"")
            with PageFile(before) as old:
                change = Change(now.stat().st_size, changed(before, now), old.read)
                entry = ship(store, version, entry, change, base_share=1.0)
            origin = Origin("test", number, None, {}, head)
            publish_unleased(store, put_version(store, version, origin, facts, {SQLITE: entry}, 0))
            before.write_bytes(now.read_bytes())
            heads.append(objects.held[store.head_key])
            ids.append(version)
            digests[version] = entry.digest
    return Published(objects.held, tuple(heads), tuple(ids), digests)


@dataclass
class Reading:
    """What a query saw, and what the snapshot called itself before and after."""

    rows: tuple[int, ...]
    before: str
    after: str


@dataclass
class ReaderRun:
    """A snapshot open at version 0, HEAD at 1, and the acts of `names` about to begin.

    `refresh`, `again`: two refreshes. `publish`: HEAD comes to name 2. `query`, `close`. `second`:
    another reader in the same directory, pinned to version 0. `kept` False: the directory is
    temporary.
    """

    load: Callable[[], SimpleNamespace]
    names: tuple[str, ...]
    kept: bool = True
    readings: list[Reading] = field(default_factory=list)
    highest: str = ""

    def __post_init__(self) -> None:
        self.stages = Stages(self._observed)
        self.code = Staged(self.load(), self.stages).code
        self._scratch = tempfile.TemporaryDirectory()
        self.root = Path(self._scratch.name)
        self.world = published()
        self.objects = Bucket(Time(), dict(self.world.held), self.stages.at)
        self._head(0)
        self.snapshot = self._open(None, self.root if self.kept else None)
        self.copy = self.snapshot._copy
        self._head(1)
        self.left: Hashable = None
        acts: dict[str, Act] = {
            "refresh": self._refresh,
            "again": self._refresh,
            "publish": lambda: self._head(2),
            "query": self._query,
            "close": self._close,
            "second": self._second,
        }
        self.stages.begin({name: acts[name] for name in self.names})

    def lies_there(self) -> Hashable:
        """Return HEAD, and what every copy holds and is said to hold."""
        return self._version_of_head(), self._in(self._copies())

    def check(self) -> None:
        """Nobody goes back; what is said to be whole is; what was read is of one version."""
        version = self.snapshot.version
        assert version >= self.highest, f"the snapshot went back to {version}"
        self.highest = version
        for copy in self._copies():
            state = copy.state()
            if state.files:
                found = file_digest(copy.main, copy.published)
                assert found == state.files[SQLITE].digest, f"{copy.directory} is not what it says"
                assert found == self.world.digests[state.version], f"nor {state.version}"
        for reading in self.readings:
            numbers = {*reading.rows}
            assert len(numbers) == 1, f"of more than one version: {reading}"
            if reading.before == reading.after:
                assert self.world.ids[numbers.pop()] == reading.before, f"{reading}"

    def check_end(self) -> None:
        """Only a closed snapshot refuses; one that is open gets to the head."""
        closes = "close" in self.names
        for actor in self.stages.actors:
            refused = isinstance(actor.outcome, ValueError) and "closed" in str(actor.outcome)
            assert not isinstance(actor.outcome, Exception) or (closes and refused), actor.outcome
        if closes:
            self._check_closed()
        else:
            self.snapshot.refresh()
            assert self.snapshot.version == self._version_of_head()
            (number,) = {*self.snapshot.collection.read()}
            assert self.world.ids[number] == self.snapshot.version

    def _check_closed(self) -> None:
        for act in (self.snapshot.refresh, self.snapshot.collection.read):
            try:
                act()
            except ValueError:
                continue
            raise AssertionError(f"{act} goes on after the close")
        if not self.kept:
            assert not self.copy.directory.parents[1].exists(), "a closed reader left its copy"

    def end(self) -> None:
        """Remove everything."""
        self.snapshot.close()
        self._scratch.cleanup()

    def _refresh(self) -> bool:
        moved: bool = self.snapshot.refresh(lambda _done, _total: self.stages.at("fetched"))
        return moved

    def _query(self) -> None:
        before = self.snapshot.version
        rows = self.snapshot.collection.read()
        self.readings.append(Reading(rows, before, self.snapshot.version))

    def _close(self) -> None:
        self.snapshot.close()

    def _second(self) -> None:
        at = self.world.ids[0]
        with self._open(at, self.root) as other:
            self.readings.append(Reading(other.collection.read(), at, at))

    def _open(self, at: str | None, directory: Path | None) -> Any:
        return self.code.reader.open_snapshot(self.objects, NAME, at=at, directory=directory)

    def _head(self, number: int) -> None:
        self.objects.held[f"{NAME}/HEAD"] = self.world.heads[number]

    def _version_of_head(self) -> str:
        held = self.objects.held[f"{NAME}/HEAD"]
        return self.world.ids[self.world.heads.index(held)]

    def _copies(self) -> list[Any]:
        return [
            self.code.warm.WarmCopy(directory)
            for directory in sorted(self.copy.directory.parent.glob("*"))
        ]

    def _observed(self, who: str) -> Hashable:
        """Return all that `who` can look at: his own copy, and what moves him on."""
        if who == "publish":
            return None
        if who == "second":
            mine = {self.copy.directory} if self._is_claimed() else set()
            return self._in([copy for copy in self._copies() if copy.directory not in mine])
        head = self._version_of_head() if who in {"refresh", "again"} else ""
        return self.snapshot.version, head, self._in([self.copy])

    def _is_claimed(self) -> bool:
        """Say whether the snapshot still has its copy: the last thing a close does is to give it
        back.
        """
        return not any(actor.name == "close" and actor.over for actor in self.stages.actors)

    def _in(self, copies: list[Any]) -> Hashable:
        """Return what copies hold, SQLite's shared memory apart, and are said to hold."""
        return tuple(
            (
                copy.directory.name,
                *((path.name, _hash(path)) for path in _files(copy.data)),
                (state := copy.state()).version,
                state.header,
            )
            for copy in copies
        )


def _files(data: Path) -> list[Path]:
    return sorted(path for path in data.glob("*") if not path.name.endswith("-shm"))


def _hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else ""

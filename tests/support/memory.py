"""A bucket in memory under the engine's own code, with a say before every call.

`before` is told what is about to happen and may let a rival act first, or die there.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from typing import Any, Final

from instep.aws.objects import Fetched, Listed, Lost, Objects, ObjectTooLarge, Written
from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.acts.publish import Staged, publish_unleased
from instep.snapshot.acts.retention import Retention
from instep.snapshot.acts.staging import Origin, put_version
from instep.snapshot.acts.sweep import Swept, sweep
from instep.snapshot.copy.inventory import missing_packs
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.manifest import Facts, FileEntry, Layer, PackRef

NEWEST_ONLY: Final = Retention(1, timedelta(0))
DAY: Final = timedelta(days=1)


@dataclass
class Time:
    """A clock that ticks when it is read, and else stands until told otherwise; S3's too."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def passes(self, span: timedelta) -> None:
        self.now += span


@dataclass
class _Object:
    body: bytes
    written: datetime


@dataclass
class InMemory(Objects):
    """What S3 promises of one bucket: reads and listings see every write that was answered."""

    time: Time
    held: dict[str, _Object] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _: None
    actor: threading.Thread = field(default_factory=threading.current_thread)

    def __post_init__(self) -> None:
        nothing: Any = None
        super().__init__(nothing, "memory")

    def find(self, key: str, limit: int | None = None) -> Fetched | None:
        self._about_to("find")
        found = self.held.get(key)
        if found is None:
            return None
        if limit is not None and len(found.body) > limit:
            raise ObjectTooLarge(key)
        return Fetched(found.body, _etag(found.body))

    def put(self, key: str, body: bytes) -> None:
        self._about_to("put")
        self.held[key] = _Object(body, self.time())

    def list(self, prefix: str) -> Iterator[Listed]:
        self._about_to("list")
        for key, found in sorted(self.held.items()):
            if key.startswith(prefix):
                yield Listed(key, len(found.body), found.written)

    def delete(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            self._about_to("delete")
            self.held.pop(key, None)

    def _conditionally(self, key: str, body: bytes, **condition: Any) -> Written | Lost:
        self._about_to("conditional put")
        there = self.held.get(key)
        wanted = condition.get("IfMatch")
        if (None if there is None else _etag(there.body)) != wanted:
            return Lost(None if there is None else Fetched(there.body, _etag(there.body)))
        self.held[key] = _Object(body, self.time())
        return Written(_etag(body))

    def _about_to(self, act: str) -> None:
        """Ask, but never from a thread of a pool: in what order those come is not ours to say."""
        if threading.current_thread() is self.actor:
            self.before(act)


def _etag(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


def stage_pack(store: SnapshotStore, body: bytes, *, fold: bool = False) -> Staged:
    """Stage a version on the head that brings this pack, or that with a fold is this pack alone.

    No page is in it: for tests of which objects are named and which are there.
    """
    head = store.head()
    before = store.manifest(head.version).files[SQLITE].layers if head and not fold else ()
    version = store.new_version()
    name = sha256(body).hexdigest()
    store.objects.put(store.pack_key(name), body)
    layer = Layer(version, 1, name, (PackRef(name, len(body), 1),))
    entry = FileEntry((*before, layer))
    origin = Origin("test", 1, None, {}, head)
    return put_version(store, version, origin, Facts(), {SQLITE: entry}, 0)


class Bucket:
    """A collection in memory, and what was published into it."""

    def __init__(self) -> None:
        self.time = Time()
        self.objects = InMemory(self.time)
        self.store = SnapshotStore(self.objects, "words", self.time)
        self.published: list[str] = []
        self.waiting: Staged | None = None

    def publish(self, *, fold: bool = False) -> str:
        body = f"pack {len(self.published)}".encode()
        staged = stage_pack(self.store, body, fold=fold)
        self.published.append(publish_unleased(self.store, staged).version)
        return self.published[-1]

    def sweep(self, retention: Retention = NEWEST_ONLY, *, dry_run: bool = False) -> Swept:
        return sweep(self.store, retention, dry_run=dry_run)

    def head_is_whole(self) -> str:
        head = self.store.head()
        assert head is not None
        assert missing_packs(self.store, self.store.manifest(head.version)) == set()
        return head.version

    def listing(self) -> set[str]:
        return set(self.objects.held)

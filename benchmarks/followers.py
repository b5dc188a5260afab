"""A process of `instep bench readers`: threads that share a snapshot, and threads that come and go.

Every word of the collection carries the number of the round that wrote it, so an answer tells which
version it is of, and a mixed one shows.
"""

import os
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import Any, Final

from benchmarks.endpoint import Endpoint
from benchmarks.workload import COLLECTION
from instep.aws.objects import Objects
from instep.snapshot.copy.reader import Snapshot, open_snapshot

SHARED: Final = 0.7  # of the threads; the others open a snapshot of their own, read, and close it
_CLOSES: Final = 0.01  # of the turns in which a thread replaces the shared snapshot
# Seconds between two turns, in the mean. Readers that never pause keep all processors, and leave
# the writer too few versions a second to be wrong about.
_SHARED_PAUSE: Final = 0.5
_OWN_PAUSE: Final = 4.0

Answer = tuple[str, str, int, int]
"""The snapshot's version before the call and after it, the round read, and how many words."""


@dataclass
class Told:
    """What the threads of a process saw: answers, those of no one round, and what went wrong."""

    answers: Counter[Answer] = field(default_factory=Counter)
    mixed: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)


class Followers:
    """The threads of one process, on one bucket and one directory."""

    def __init__(self, objects: Objects, directory: Path, seed: int) -> None:
        self._objects = objects
        self._directory = directory
        self._seed = seed
        self._lock = Lock()
        self._told = Told()
        self._over = Event()
        self._shared = self._open()

    def follow(self, threads: int, until: Connection) -> Told:
        """Read until told to end."""
        crew = [
            Thread(target=self._work, args=(at, at < threads * SHARED)) for at in range(threads)
        ]
        for thread in crew:
            thread.start()
        until.recv()
        self._over.set()
        for thread in crew:
            thread.join()
        self._shared.close()
        return self._told

    def _work(self, number: int, shares: bool) -> None:
        random = Random(f"{self._seed} {number}")  # noqa: S311 - not for secrets
        while not self._over.is_set():
            try:
                if shares:
                    self._read_shared(random)
                else:
                    self._read_own(random)
                pause = _SHARED_PAUSE if shares else _OWN_PAUSE
                self._over.wait(random.expovariate(1 / pause))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                if not (isinstance(error, ValueError) and "closed" in str(error)):
                    self._note(self._told.errors, f"{type(error).__name__}: {error}"[:200])

    def _read_shared(self, random: Random) -> None:
        snapshot = self._shared
        if random.random() < _CLOSES:
            with self._lock:
                before, self._shared = self._shared, self._open()
            before.close()
            self._note(self._told.acts, "replaced")
        elif random.random() < 0.5 and snapshot.refresh():
            self._note(self._told.acts, "refreshed")
        self._look(snapshot)

    def _read_own(self, random: Random) -> None:
        pinned = random.random() < 0.5
        with self._open(self._shared.version if pinned else None) as snapshot:
            for _ in range(3):
                self._look(snapshot)
                if snapshot.refresh():
                    self._note(self._told.acts, "refreshed")
        self._note(self._told.acts, "pinned" if pinned else "opened")

    def _look(self, snapshot: Snapshot) -> None:
        before = snapshot.version
        found: Any = snapshot.collection.get(include=["metadatas"])["metadatas"]
        after = snapshot.version
        rounds = {fields["round"] for fields in found}
        if len(rounds) == 1:
            self._note(self._told.answers, (before, after, int(rounds.pop()), len(found)))
        else:
            self._told.mixed.append(f"{before} {after}: {sorted(rounds)}"[:200])

    def _note(self, counter: Counter[Any], what: object) -> None:
        with self._lock:
            counter[what] += 1

    def _open(self, at: str | None = None) -> Snapshot:
        return open_snapshot(self._objects, COLLECTION, at=at, directory=self._directory)


def follow(
    endpoint: str, bucket: str, directory: Path, threads: int, seed: int, line: Connection
) -> None:
    """Be a process of readers: say when it is open, read until told to end, send what was seen."""
    os.nice(10)  # the writer goes first: the more versions, the more there is to go wrong
    followers = Followers(Objects(Endpoint(endpoint).s3(), bucket), directory, seed)
    line.send("open")
    line.send(followers.follow(threads, line))

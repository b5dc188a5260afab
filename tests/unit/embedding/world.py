"""An embedder that counts, a place to park in, and a life that ends at a chosen step."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from instep.aws.objects import Fetched, Listed, ObjectTooLarge
from instep.chroma.carriable import Refusal
from instep.embedding.parked import Parked
from instep.embedding.texts import RESERVE, Embedded, Progress, embed_texts
from tests.support.deaths import ProcessDied

if TYPE_CHECKING:
    from instep.difference import Vector

START = datetime(2026, 1, 1, tzinfo=UTC)
BAD = "!"  # how texts begin that the embedder refuses


@dataclass
class Life:
    """Dies at its step number `ends`, before or after what is done there."""

    ends: int | None = None
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.ends is not None and self.steps > self.ends:
            raise ProcessDied


@dataclass
class Time:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Shelf:
    """Objects in memory."""

    held: dict[str, bytes] = field(default_factory=dict)
    life: Life = field(default_factory=Life)
    reads: list[str] = field(default_factory=list)

    def put(self, key: str, body: bytes) -> None:
        self.life.step()
        self.held[key] = body
        self.life.step()

    def find(self, key: str, limit: int | None = None) -> Fetched | None:
        self.life.step()
        self.reads.append(key)
        body = self.held.get(key)
        if body is None:
            return None
        if limit is not None and len(body) > limit:
            raise ObjectTooLarge(key)
        return Fetched(body, "etag")

    def list(self, prefix: str) -> Iterator[Listed]:
        self.life.step()
        for key, body in sorted(self.held.items()):
            if key.startswith(prefix):
                yield Listed(key, len(body), START)


@dataclass
class Counting:
    """Three floats a text, made of it; every text asked for is counted."""

    batch: int = 4
    name: str = "counting"
    takes: timedelta = timedelta(seconds=1)
    clock: Time = field(default_factory=Time)
    life: Life = field(default_factory=Life)
    calls: list[list[str]] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        return [text for call in self.calls for text in call]

    def embed(self, texts: Sequence[str]) -> "Sequence[Vector | Refusal]":
        self.life.step()
        self.calls.append(list(texts))
        self.clock.now += self.takes
        self.life.step()
        return [answer(text) for text in texts]


def answer(text: str) -> "Vector | Refusal":
    """What `Counting` makes of a text."""
    if text.startswith(BAD):
        return Refusal(f"{text} is bad")
    digest = hashlib.sha256(text.encode()).digest()
    return np.frombuffer(digest[:3], np.uint8).astype(np.float32)


def embedded(
    texts: dict[str, str],
    embedder: Counting,
    shelf: Shelf,
    left: timedelta = timedelta(minutes=14),
    each: Callable[[Progress], None] = lambda _: None,
) -> Embedded:
    """One try, of a process that has nothing but what is parked."""
    clock = embedder.clock
    parked = Parked(shelf, "work/1")
    return embed_texts(texts, embedder, parked, clock() + left, clock, each)


def enough(calls: int, embedder: Counting) -> timedelta:
    """A time in which so many calls begin."""
    return RESERVE + calls * embedder.takes

"""The engine's step: vectors of texts, each text asked for once, as far as the time goes.

What came of a call is parked before the next one, and a second try of the same work reads it back:
so a crash costs the call it happened in, and no other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from instep.batched import batched
from instep.chroma.carriable import NotCarriable, Refusal, as_vector, is_text
from instep.clock import Clock
from instep.embedding.digests import digest_of
from instep.errors import EmbedderBroken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from instep.embedding.embedder import Embedder
    from instep.embedding.parked import Answer, Parked

RESERVE: Final = timedelta(seconds=60)
"""What is left of a function's time for writing and staging what was embedded."""


@dataclass
class Embedded:
    """What became of each id: its vector, why it has none, or that the time did not suffice.

    `asked` counts the texts that the embedder was asked for in this try; `slowest` is how long a
    call took at most.
    """

    vectors: "dict[str, NDArray[np.float32]]" = field(default_factory=dict)
    refused: dict[str, Refusal] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    asked: int = 0
    slowest: timedelta = timedelta(0)


@dataclass(frozen=True)
class Progress:
    """A call of the embedder: `done` of `of` different texts have an answer after it."""

    done: int
    of: int
    took: timedelta


def embed_texts(
    texts: Mapping[str, str],
    embedder: "Embedder",
    parked: "Parked",
    until: datetime,
    clock: Clock,
    each: Callable[[Progress], None] = lambda _: None,
    slowest: timedelta = timedelta(0),
) -> Embedded:
    """Return the vectors of texts, by id; `each` is told of every call.

    No call begins that would end, by the slowest so far, less than RESERVE before `until`; work
    done in pieces hands each one the `slowest` of those before.
    EmbedderUnavailable and whatever else the embedder raises goes up; EmbedderBroken when it
    answers another number of texts than it was given.
    """
    embedded = Embedded(slowest=slowest)
    ids = _by_text(texts, embedded.refused)
    digests = {digest_of(embedder.name, text): text for text in ids}
    answers = parked.find(digests)
    for batch in batched([one for one in digests if one not in answers], embedder.batch):
        began = clock()
        if until - began < embedded.slowest + RESERVE:
            break
        came = dict(zip(batch, _asked(embedder, [digests[one] for one in batch]), strict=True))
        parked.put(came)
        answers |= came
        embedded.asked += len(batch)
        took = clock() - began
        embedded.slowest = max(embedded.slowest, took)
        each(Progress(len(answers), len(digests), took))
    for digest, text in digests.items():
        _settle(embedded, ids[text], answers.get(digest))
    return embedded


def _by_text(texts: Mapping[str, str], refused: dict[str, Refusal]) -> dict[str, list[str]]:
    """Return the ids of each different text; refused is what is none."""
    ids: dict[str, list[str]] = {}
    for id_, text in texts.items():
        if is_text(text):
            ids.setdefault(text, []).append(id_)
        else:
            refused[id_] = Refusal("the text to embed is none that UTF-8 can write")
    return ids


def _asked(embedder: "Embedder", texts: Sequence[str]) -> "list[Answer]":
    answers = list(embedder.embed(texts))
    if len(answers) != len(texts):
        raise EmbedderBroken(
            f"{embedder.name} gave {len(answers)} answers to {len(texts)} texts: let it give one "
            f"a text"
        )
    return [_checked(answer) for answer in answers]


def _checked(answer: Any) -> "Answer":
    if isinstance(answer, Refusal):
        return answer
    try:
        return as_vector(answer, None)
    except NotCarriable as error:
        return Refusal(f"of what the embedder made of the text: {error}")


def _settle(embedded: Embedded, ids: Sequence[str], answer: "Answer | None") -> None:
    if answer is None:
        embedded.waiting.update(ids)
    elif isinstance(answer, Refusal):
        embedded.refused.update(dict.fromkeys(ids, answer))
    else:
        embedded.vectors.update(dict.fromkeys(ids, answer))

"""Vectors of questions, by the embedder that a snapshot says made its own.

Only what Instep ships is found by what a snapshot says: a name that lies in S3 must not decide what
a reader imports. Whoever embeds with a function of his own hands it to `open_snapshot`.
"""

from typing import TYPE_CHECKING

from instep.batched import batched
from instep.chroma.carriable import NotCarriable, Refusal
from instep.embedding.named import embedder_of
from instep.embedding.spelling import spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instep.difference import Vector
    from instep.embedding.embedder import Embedder


def asks(name: str) -> "Callable[[list[str]], Sequence[Vector]] | None":
    """Return what makes vectors of questions for embeddings of this embedder; None for no name.

    Nothing is loaded before the first question: EmbedderMissing, EmbedderUnavailable, or
    NotCarriable for a text that can have no vector.
    """
    if not name or spelled(name).kind == "function":
        return None
    return lambda texts: _vectors(embedder_of(name, "query"), texts)


def _vectors(embedder: "Embedder", texts: "Sequence[str]") -> "list[Vector]":
    found: list[Vector] = []
    for few in batched(texts, embedder.batch):
        for text, answer in zip(few, embedder.embed(few), strict=True):
            if isinstance(answer, Refusal):
                raise NotCarriable(f"{text[:80]!r} can have no vector: {answer.reason}")
            found.append(answer)
    return found

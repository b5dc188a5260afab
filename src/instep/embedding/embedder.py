"""The port of what makes vectors of texts: a service, a model on this machine, your function."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instep.chroma.carriable import Refusal
    from instep.difference import Vector


class Embedder(Protocol):
    """Texts in, vectors of one width out."""

    @property
    def name(self) -> str:
        """Model and version: another name means that every text is embedded anew."""

    @property
    def batch(self) -> int:
        """How many texts a call takes."""

    def embed(self, texts: "Sequence[str]") -> "Sequence[Vector | Refusal]":
        """Return a vector a text, in order, or why this very text has none.

        EmbedderUnavailable when the service throttles or does not answer: the workflow tries the
        step again. Any other error is a fault of the embedder, and fails the step.
        """

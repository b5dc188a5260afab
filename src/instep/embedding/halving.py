"""Find which texts of a batch are refused: halves, and halves of those, until one text is left.

As `instep.chroma.bisection` does it, but without its bound: here a plain word tells whether it is
the texts at all, so that any number of them may be refused, and nothing is refused for a service
that refuses everything.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from instep.chroma.carriable import Refusal
from instep.errors import EmbedderBroken

if TYPE_CHECKING:
    from instep.difference import Vector

PLAIN: Final = "word"  # no embedder has a reason to refuse it

_SHOWN: Final = 500  # characters of a reason


class TextRefused(ValueError):
    """A text among those of a call has no vector; the message is the reason."""


def embedded_but_refused(
    texts: Sequence[str], ask: "Callable[[Sequence[str]], Sequence[Vector]]"
) -> "list[Vector | Refusal]":
    """Return what `ask` makes of each text, or why it raises ValueError for that very one.

    A batch that is refused is asked again in halves, and before that PLAIN, once. EmbedderBroken
    when that is refused too: then it is not about the texts.
    """
    try:
        return list(ask(texts))
    except ValueError as error:
        prove(ask)
        return _halved(texts, ask, error)


def prove(ask: "Callable[[Sequence[str]], Sequence[Vector]]") -> None:
    """Raise EmbedderBroken when even a plain word is refused."""
    try:
        ask([PLAIN])
    except ValueError as error:
        raise EmbedderBroken(
            f"even the text {PLAIN!r} is refused ({error}): check the embedder's name, options and "
            f"whatever it needs"
        ) from error


def refusal(error: ValueError) -> Refusal:
    """Return why a text is refused, within bounds."""
    return Refusal(f"the embedder refuses the text: {error!s:.{_SHOWN}}")


def _halved(
    texts: Sequence[str], ask: "Callable[[Sequence[str]], Sequence[Vector]]", why: ValueError
) -> "list[Vector | Refusal]":
    if len(texts) == 1:
        return [refusal(why)]
    half = len(texts) // 2
    answers: list[Vector | Refusal] = []
    for part in (texts[:half], texts[half:]):
        try:
            answers += ask(part)
        except ValueError as error:
            answers += _halved(part, ask, error)
    return answers

"""Vectors without a service or a download: the small model that the distribution wordllama carries.

For demos, examples and tests. How it is loaded, and the lower-casing, were measured: without
`cache_dir` it wants the network, and in capitals it finds nothing sensible. It pads the texts of a
call to the longest, 1 KB a token, so long ones are embedded alone.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from instep.chroma.carriable import Refusal
from instep.errors import EmbedderMissing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from instep.difference import Vector

NAME: Final = "local:wordllama-l2_supercat-256:1"  # raise the last number when vectors change
WIDTH: Final = 256  # floats an embedding

_LONG: Final = 4_000  # characters
_BATCH: Final = 256


class Local:
    """The model as an embedder: `WIDTH` floats a text, 5,000 short ones in 0.14 s on one core."""

    name = NAME
    batch = _BATCH

    def embed(self, texts: Sequence[str]) -> "Sequence[Vector | Refusal]":
        """Return a unit vector a text; an empty text is refused. EmbedderMissing as below."""
        answers: list[Vector | Refusal] = [Refusal("an empty text has no vector")] * len(texts)
        short = [at for at, text in enumerate(texts) if 0 < len(text) <= _LONG]
        for at, vector in zip(short, unit_vectors([texts[at] for at in short]), strict=True):
            answers[at] = vector
        for at, text in enumerate(texts):
            if len(text) > _LONG:
                answers[at] = unit_vectors([text])[0]
        return answers


def unit_vectors(texts: Sequence[str]) -> "NDArray[np.float32]":
    """Return one unit vector of `WIDTH` floats a text: with those, l2 ranks as cosine does.

    EmbedderMissing when wordllama is not installed.
    """
    vectors: NDArray[np.float32] = _model().embed([text.lower() for text in texts], norm=True)
    return vectors


@cache
def _model() -> Any:
    try:
        import wordllama  # type: ignore[import-untyped]  # 0.7 s that only who embeds should pay
    except ImportError as error:
        raise EmbedderMissing(
            f"the local embedder cannot be loaded ({error}): pip install 'instep[local]'"
        ) from error
    return wordllama.WordLlama.load(
        cache_dir=Path(wordllama.__file__).parent, disable_download=True
    )

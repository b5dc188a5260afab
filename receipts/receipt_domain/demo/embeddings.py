"""Real embeddings without a download: the small model that the distribution wordllama carries.

The way it is loaded, and the lower-casing, were measured: without `cache_dir` it wants the
network, and in capitals it finds nothing sensible. Never part of a function.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDTH: Final = 256  # floats an embedding


def embed(texts: Sequence[str]) -> "NDArray[np.float32]":
    """Return one unit vector of `WIDTH` floats a text: with those, l2 ranks as cosine does."""
    vectors: NDArray[np.float32] = _model().embed([text.lower() for text in texts], norm=True)
    return vectors


def similarity(distance: float) -> float:
    """Return the cosine of two unit vectors whose squared l2 distance this is."""
    return 1.0 - distance / 2.0


@cache
def _model() -> Any:
    import wordllama  # type: ignore[import-untyped]  # 0.7 s that only who embeds should pay

    return wordllama.WordLlama.load(
        cache_dir=Path(wordllama.__file__).parent, disable_download=True
    )

"""What a vector was made of, or what it is, in a few characters: told apart without reading it.

A digest is the first 24 hexadecimal digits (96 bits) of a SHA-256. It is stored with every
embedding, so a change of these rules means that every text is embedded anew.
"""

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from instep.chroma.carriable import as_vector

if TYPE_CHECKING:
    from instep.difference import Vector

DIGITS: Final = 24


def digest_of(embedder_name: str, text: str) -> str:
    """Return the digest of the vector that this embedder makes of a text.

    Of the name's own SHA-256, so that no name and text run into each other, and the text in UTF-8.
    """
    by = hashlib.sha256(embedder_name.encode()).digest()
    return _digits(by + text.encode(errors="surrogatepass"))


def digest_of_vector(vector: "Vector") -> str:
    """Return the digest of a vector as chromadb stores it: little-endian float32, in a row.

    NotCarriable for what is no vector.
    """
    return _digits(np.asarray(as_vector(vector, None), "<f4").tobytes())


def _digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]

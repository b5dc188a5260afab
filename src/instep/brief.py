"""A document as it is compared with the table's and shown: few words of a long one are kept."""

from hashlib import sha256
from typing import Final

DOCUMENT: Final = "chroma:document"
"""The key under which chromadb keeps a document among the fields; no other field can have it."""

_WHOLE: Final = 100  # characters
_BEGINNING: Final = 60


def brief(document: str) -> str:
    """Return a short document whole, of a long one what it begins with, its length and a digest."""
    if len(document) <= _WHOLE:
        return document
    digest = sha256(document.encode(errors="surrogatepass")).hexdigest()[:16]
    return f"{document[:_BEGINNING]}… ({len(document):,} characters, sha256 {digest})"

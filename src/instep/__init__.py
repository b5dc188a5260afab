"""Instep keeps ChromaDB collections on S3 in step with a DynamoDB table."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instep.snapshot.copy.reader import open_snapshot

__all__ = ["__version__", "open_snapshot"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load the reader, and with it chromadb, only for those who ask for it."""
    if name == "open_snapshot":
        return import_module("instep.snapshot.copy.reader").open_snapshot
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

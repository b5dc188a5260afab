"""Instep keeps ChromaDB collections on S3 in step with a DynamoDB table."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instep.snapshot.copy.reader import open_snapshot

__all__ = ["__version__", "open_snapshot"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load the reader, and with it chromadb, only for those who ask for it.

    SnapshotUnsupported when the chromadb installed cannot read a snapshot.
    """
    if name == "open_snapshot":
        import_module("instep.chroma.installed").require_reader()  # others do not even import
        return import_module("instep.snapshot.copy.reader").open_snapshot
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

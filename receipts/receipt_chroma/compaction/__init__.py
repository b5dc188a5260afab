"""Messages in, collections in step: `process_collection_updates` is the path of every update."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from receipt_chroma.compaction.processor import process_collection_updates
    from receipt_chroma.compaction.result import CollectionUpdateResult

__all__ = ["CollectionUpdateResult", "process_collection_updates"]

_HOMES = {
    "CollectionUpdateResult": "receipt_chroma.compaction.result",
    "process_collection_updates": "receipt_chroma.compaction.processor",
}


def __getattr__(name: str) -> Any:
    """Load the processor, and with it chromadb, only for those who ask for it."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

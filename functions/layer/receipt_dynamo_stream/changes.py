"""Which differences matter: those in a field that feeds Chroma (docs/domain.md, "relevant")."""

from collections.abc import Mapping
from typing import Final

from receipt_dynamo_stream.entities import FEEDING, Fields
from receipt_dynamo_stream.messages import FieldChange

_NONE: Final[Fields] = {}
_EMITTED: Final = {
    # A line, a word or a receipt arrives with its delta: only its end is news.
    "INSERT": {"RECEIPT_METADATA", "RECEIPT_PLACE", "RECEIPT_WORD_LABEL", "COMPACTION_RUN"},
    "MODIFY": {"RECEIPT_METADATA", "RECEIPT_PLACE", "RECEIPT_WORD_LABEL"},
    # The write-back of a run, and its end, cause no second merge.
    "REMOVE": set(FEEDING) - {"COMPACTION_RUN"},
}


def may_matter(entity_type: str, event_name: str) -> bool:
    """Return whether such an event of such an entity can be relevant at all."""
    return entity_type in _EMITTED[event_name]


def get_chromadb_relevant_changes(
    entity_type: str, old: Fields | None, new: Fields | None
) -> Mapping[str, FieldChange]:
    """Return the feeding fields whose value differs; None as `old` or `new`: there is no item."""
    before, after = old or _NONE, new or _NONE
    return {
        name: FieldChange(before.get(name), after.get(name))
        for name in FEEDING.get(entity_type, ())
        if (before.get(name) or None) != (after.get(name) or None)
    }

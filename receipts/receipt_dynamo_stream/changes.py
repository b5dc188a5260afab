"""Which events and differences matter: those that the truth follows from (docs/domain.md,
"relevant").
"""

from collections.abc import Mapping
from typing import Final

from receipt_dynamo_stream.attributes import TTL_ATTRIBUTE, Unreadable, Value
from receipt_dynamo_stream.entities import FEEDING, Fields
from receipt_dynamo_stream.messages import FieldChange

_NONE: Final[Fields] = {}


def may_matter(entity_type: str, event_name: str) -> bool:
    """Return whether such an event of such an entity can be relevant at all.

    The write-back of a run, and its end, cause no second merge; everything else may change what an
    embedding should carry, or whether it should be there.
    """
    return event_name == "INSERT" or entity_type != "COMPACTION_RUN"


def get_chromadb_relevant_changes(
    entity_type: str, old: Fields | None, new: Fields | None
) -> Mapping[str, FieldChange]:
    """Return the feeding fields whose value differs; None as `old` or `new`: there is no item."""
    before, after = old or _NONE, new or _NONE
    return {
        name: FieldChange(_value(before.get(name)), _value(after.get(name)))
        for name in FEEDING.get(entity_type, ())
        if (before.get(name) or None) != (after.get(name) or None)
    }


def lives_longer(old: Fields, new: Fields) -> bool:
    """Return whether an expiry was moved ahead or taken back: what counted as gone may be there."""
    before, after = old.get(TTL_ATTRIBUTE), new.get(TTL_ATTRIBUTE)
    if not isinstance(before, str):
        return False
    return not isinstance(after, str) or float(after) > float(before)


def _value(value: Value) -> str | None:
    return None if isinstance(value, Unreadable) else value

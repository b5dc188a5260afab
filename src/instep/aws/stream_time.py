"""When a change of the table was made, as its stream's record says."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def made_at(change: Mapping[str, Any]) -> str | None:
    """Return when a record's change (its `dynamodb`) was made, ISO 8601 in UTC; what is no time of
    this calendar is no time.
    """
    seconds = change.get("ApproximateCreationDateTime")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None

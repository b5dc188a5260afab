"""Instants as items and notices have them: text, and not always one that says a time."""

from datetime import UTC, datetime
from typing import Final

_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)


def instant(text: str | None) -> datetime:
    """Read ISO 8601, UTC where no zone is said; what is no time comes before all."""
    try:
        read = datetime.fromisoformat(text or "")
    except ValueError:
        return _BEFORE_ALL
    return read if read.tzinfo else read.replace(tzinfo=UTC)

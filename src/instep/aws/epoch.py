"""Instants as DynamoDB's numbers: seconds since the epoch, exact to the millisecond."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


def epoch(at: datetime) -> Any:
    """Return an instant as an attribute (DynamoDB JSON)."""
    return {"N": str(Decimal(round(at.timestamp() * 1000)) / 1000)}


def instant(attribute: Mapping[str, str] | None) -> datetime | None:
    """Return what `epoch` wrote, in UTC; None where there is no attribute."""
    return datetime.fromtimestamp(float(attribute["N"]), UTC) if attribute else None

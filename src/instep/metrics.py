"""What the library asks of a metrics sink: to count, under the names of the data contract."""

from typing import Protocol


class Metrics(Protocol):
    """Receives counts; the sink accumulates them over a batch and writes them once."""

    def count(self, name: str, value: int = 1) -> None:
        """Add `value` to the metric `name`; several threads may call."""


class NoMetrics:
    """The sink for a caller who wants none."""

    def count(self, name: str, value: int = 1) -> None:
        """Drop the count."""

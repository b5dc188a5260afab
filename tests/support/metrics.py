"""A metrics sink that a test can look into."""


class Counts(dict[str, int]):
    """Metric name -> what was counted."""

    def count(self, name: str, value: int = 1) -> None:
        """Add `value` to the metric `name`."""
        self[name] = self.get(name, 0) + value

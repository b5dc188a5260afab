"""A stretch of time that something is counted in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """From an instant up to, and without, another (epoch seconds)."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.ended - self.began

    def __contains__(self, at: float) -> bool:
        """Whether an instant lies within."""
        return self.began <= at < self.ended

    def meets(self, began: float, ended: float) -> bool:
        """Whether something that lasted so long had a part in it."""
        return began < self.ended and ended >= self.began

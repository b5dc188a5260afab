"""A place to park batches in memory."""

from dataclasses import dataclass, field


@dataclass
class Shelf:
    """What was put, by key."""

    held: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, body: bytes) -> None:
        self.held[key] = body

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self.held[key][start : start + length]

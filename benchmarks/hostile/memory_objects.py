"""A bucket in memory: what the engine asks of one, without a request."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from instep.aws.objects import (
    Fetched,
    Listed,
    Lost,
    ObjectMissing,
    Objects,
    ObjectTooLarge,
    Written,
)

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class MemoryObjects(Objects):
    """See `Objects`; `held` are the bodies by key."""

    def __init__(self, held: Mapping[str, bytes] | None = None) -> None:
        nobody: Any = None
        super().__init__(nobody, "memory")
        self.held = dict(held or {})

    def find(self, key: str, limit: int | None = None) -> Fetched | None:
        """Return the object, or None."""
        body = self.held.get(key)
        if body is None:
            return None
        if limit is not None and len(body) > limit:
            raise ObjectTooLarge(f"{key} has {len(body)} bytes, more than the {limit} allowed")
        return Fetched(body, _etag(body))

    def download(self, key: str, path: Path, limit: int, each: Callable[[bytes], None]) -> None:
        """Write the object to a new file."""
        found = self.find(key, limit)
        if found is None:
            raise ObjectMissing(f"{key} does not exist")
        with path.open("xb") as file:
            file.write(found.body)
        each(found.body)

    def create(self, key: str, body: bytes) -> Written | Lost:
        """Write the object unless one is there."""
        if key in self.held:
            return Lost(self.find(key))
        return self._put(key, body)

    def replace(self, key: str, body: bytes, etag: str) -> Written | Lost:
        """Write the object if it still is what `etag` names."""
        if key not in self.held or _etag(self.held[key]) != etag:
            return Lost(self.find(key))
        return self._put(key, body)

    def put(self, key: str, body: bytes) -> None:
        """Write the object."""
        self._put(key, body)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield what lies under `prefix`."""
        for key in sorted(self.held):
            if key.startswith(prefix):
                yield Listed(key, len(self.held[key]), _LONG_AGO)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects."""
        for key in keys:
            self.held.pop(key, None)

    def was_deleted(self, key: str) -> bool:  # noqa: ARG002
        """Remember nothing that is gone."""
        return False

    def _put(self, key: str, body: bytes) -> Written:
        self.held[key] = body
        return Written(_etag(body))


def _etag(body: bytes) -> str:
    return sha256(body).hexdigest()

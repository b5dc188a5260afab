"""The failures bucket as a place to send from: stream batches that ingest never got through.

Lambda writes an object a batch (developer guide, "Retain discarded records for a DynamoDB event
source"): why it gave up, and under `payload` the event as the function was given it. Its records
take the way they would have taken: kept, trimmed, or to the DLQ with a reason.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from instep.aws.objects import Objects, ObjectTooLarge
from instep.batched import batched
from instep.domain import Domain
from instep.flow.envelope import Record
from instep.flow.outgoing import outgoing
from instep.flow.redriving import Parcel
from instep.flow.screening import screen
from instep.json_text import NotJson, read_object

PREFIX: Final = "aws/lambda/"
_AT_ONCE: Final = 4  # objects held in memory
_MOST_BYTES: Final = 32 << 20  # of an object: an event has 6 MB, in which every quote is escaped
_MOST_VALUES: Final = 6 << 20  # of an event: in so many bytes there are no more


@dataclass(frozen=True)
class FailedBatches:
    """The objects of the bucket; see `instep.flow.redriving.Source`."""

    objects: Objects
    domain: Domain

    def about(self) -> int:
        """Say how many objects there are."""
        return sum(1 for _ in self.objects.list(PREFIX))

    def pieces(self) -> Generator[Sequence[Parcel], None, None]:
        """Read the objects that are listed now, oldest first as far as their names say."""
        keys = [entry.key for entry in self.objects.list(PREFIX)]
        for few in batched(keys, _AT_ONCE):
            yield [parcel for parcel in map(self._parcel, few) if parcel is not None]

    def delete(self, parcels: Sequence[Parcel]) -> None:
        """Delete objects."""
        self.objects.delete(parcel.name for parcel in parcels)

    def keep(self, parcels: Sequence[Parcel]) -> None:
        """Nothing hides an object that was read."""

    def _parcel(self, key: str) -> Parcel | None:
        """Read an object; None when another redrive has just deleted it."""
        try:
            found = self.objects.find(key, limit=_MOST_BYTES)
            if found is None:
                return None
            reason, records = read_batch(found.body)
        except (ObjectTooLarge, NotJson) as error:
            return Parcel(key, "unreadable", problem=f"{self.objects.where(key)}: {error}")
        screened = screen(records, self.domain)
        return Parcel(key, reason, None, outgoing(screened.kept), screened.poison)


def read_batch(body: bytes) -> tuple[str, Sequence[Record]]:
    """Return why Lambda gave a batch up and its records, as they came; NotJson says what is wrong.

    A record may still be anything: screening tells.
    """
    try:
        told = read_object(body.decode())
    except UnicodeDecodeError as error:
        raise NotJson(f"it is no UTF-8: {error}") from error
    payload = told.get("payload")
    event = read_object(payload, _MOST_VALUES) if isinstance(payload, str) else payload
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        raise NotJson("it carries no records of a stream under `payload`")
    return _reason(told), records


def _reason(told: dict[str, Any]) -> str:
    """Return what Lambda says of a batch, such as `RetryAttemptsExhausted (Unhandled)`."""
    condition, error = (
        part.get(name) if isinstance(part := told.get(context), dict) else None
        for context, name in (("requestContext", "condition"), ("responseContext", "functionError"))
    )
    said = str(condition or "no condition is named")
    return f"{said} ({error})" if error else said

"""Which records the event source mapping lets through, as Lambda filter patterns.

Coarser than `is_relevant`, never finer: it spares an invocation for letters, sections and other
partitions by the TYPE that every item has; whether a MODIFY changed anything, ingest decides. What
shows no TYPE cannot be judged here and passes: ingest applies it, or says what is wrong with it.
"""

from typing import Any, Final

from receipt_dynamo_stream.changes import may_matter
from receipt_dynamo_stream.entities import FEEDING
from receipt_dynamo_stream.stream import EVENTS

VIEW_TYPE: Final = "NEW_AND_OLD_IMAGES"

_KEYS: Final = {
    "PK": {"S": [{"prefix": "IMAGE#"}]},
    "SK": {"S": [{"prefix": "RECEIPT#"}]},
}


def stream_filters() -> list[dict[str, Any]]:
    """Return at most five patterns, as many as FilterCriteria takes."""
    return [_of_an_arrival("INSERT"), _of_an_arrival("MODIFY"), _of_a_removal(), _without_images()]


def _of_an_arrival(event: str) -> dict[str, Any]:
    """By the new image, or what has none: `exists` asks for a leaf, so for the type's own text."""
    names = [name for name in FEEDING if may_matter(name, event)]
    image = {"TYPE": {"S": [*names, {"exists": False}]}}
    return {"eventName": [event], "dynamodb": {"Keys": _KEYS, "NewImage": image}}


def _of_a_removal() -> dict[str, Any]:
    """By its keys alone: they are all that it is applied by."""
    return {"eventName": ["REMOVE"], "dynamodb": {"Keys": _KEYS}}


def _without_images() -> dict[str, Any]:
    """Whatever comes of a stream that does not show both images."""
    other = {"Keys": _KEYS, "StreamViewType": [{"anything-but": [VIEW_TYPE]}]}
    return {"eventName": list(EVENTS), "dynamodb": other}

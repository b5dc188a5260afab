"""Which records the event source mapping lets through, as Lambda filter patterns.

Coarser than `is_relevant`, never finer: it spares an invocation for letters, sections and other
partitions by the TYPE that every item has; whether a MODIFY changed anything, ingest decides.
"""

from typing import Any, Final

from receipt_dynamo_stream.changes import may_matter
from receipt_dynamo_stream.entities import FEEDING
from receipt_dynamo_stream.stream import EVENTS

_IMAGE: Final = {"INSERT": "NewImage", "MODIFY": "NewImage", "REMOVE": "OldImage"}


def stream_filters() -> list[dict[str, Any]]:
    """Return one pattern an event name (FilterCriteria takes five)."""
    return [
        {
            "eventName": [event],
            "dynamodb": {
                "Keys": {
                    "PK": {"S": [{"prefix": "IMAGE#"}]},
                    "SK": {"S": [{"prefix": "RECEIPT#"}]},
                },
                _IMAGE[event]: {
                    "TYPE": {"S": [name for name in FEEDING if may_matter(name, event)]}
                },
            },
        }
        for event in EVENTS
    ]

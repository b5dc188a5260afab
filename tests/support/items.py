"""The table's items, the records of its stream and the messages about them, as their owners write
them: the one set of builders. Shapes and names are docs/domain.md's; nothing here comes from the
code under test but the type of the messages.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from receipt_dynamo_stream import ChromaDBCollection, StreamMessage

Item: TypeAlias = dict[str, Any]
Attribute: TypeAlias = str | int | None

AT = "2026-01-01T00:00:00+00:00"
EPOCH = 1_767_225_600  # the same instant


def item(pk: str, sk: str, entity_type: str, **attributes: Attribute) -> Item:
    """Return an item; a text becomes S, a number N, and None becomes `{"NULL": true}`."""
    made: Item = {"PK": {"S": pk}, "SK": {"S": sk}, "TYPE": {"S": entity_type}}
    for name, value in attributes.items():
        if value is None:
            made[name] = {"NULL": True}
        else:
            made[name] = {"S": value} if isinstance(value, str) else {"N": str(value)}
    return made


def stream_record(
    event_name: str,
    pk: str,
    sk: str,
    *,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    sequence: str = "1",
    created: float = EPOCH,
) -> dict[str, Any]:
    """Return a record of the stream for one item, with the images given."""
    images = {"OldImage": old, "NewImage": new}
    return {
        "eventID": f"event-{sequence}",
        "eventName": event_name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "Keys": {"PK": {"S": pk}, "SK": {"S": sk}},
            "ApproximateCreationDateTime": created,
            "SequenceNumber": sequence,
            "SizeBytes": 100,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **{name: _as_json(image) for name, image in images.items() if image is not None},
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/T/stream/1",
    }


def _as_json(image: Mapping[str, Any]) -> dict[str, Any]:
    """Return an image as Lambda hands it on: bytes are base64 there."""
    text = json.dumps(dict(image), default=lambda raw: b64encode(raw).decode())
    read: dict[str, Any] = json.loads(text)
    return read


def record(
    new: Item | None = None, old: Item | None = None, *, sequence: str = "1", created: float = EPOCH
) -> dict[str, Any]:
    """Return the stream record of a change from `old` to `new` (None: not there)."""
    whole = new or old
    assert whole, "a record is about an item"
    event = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
    pk, sk = whole["PK"]["S"], whole["SK"]["S"]
    return stream_record(event, pk, sk, old=old, new=new, sequence=sequence, created=created)


def failed_batch(records: Sequence[Any]) -> bytes:
    """Return what Lambda writes of a stream batch it gave up on."""
    return json.dumps(
        {
            "requestContext": {
                "requestId": "1",
                "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:ingest",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 51,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": AT,
            "DDBStreamBatchInfo": {"shardId": "shard", "batchSize": len(records)},
            "payload": json.dumps({"Records": records}),
        }
    ).encode()


@dataclass(frozen=True)
class Paper:
    """One receipt: builds its items, its embeddings' ids and the messages about it."""

    image: str = "img-1"
    number: int = 1

    @property
    def sk(self) -> str:
        """The sort key of its RECEIPT item."""
        return f"RECEIPT#{self.number:05d}"

    def receipt(self, **attributes: Attribute) -> Item:
        """Return the RECEIPT item."""
        return self._item("RECEIPT", "", **attributes)

    def line(self, line: int, **attributes: Attribute) -> Item:
        """Return a RECEIPT_LINE item."""
        return self._item("RECEIPT_LINE", f"#LINE#{line:05d}", **attributes)

    def word(self, line: int, word: int, **attributes: Attribute) -> Item:
        """Return a RECEIPT_WORD item."""
        return self._item("RECEIPT_WORD", f"#LINE#{line:05d}#WORD#{word:05d}", **attributes)

    def metadata(self, **attributes: Attribute) -> Item:
        """Return the RECEIPT_METADATA item."""
        return self._item("RECEIPT_METADATA", "#METADATA", **attributes)

    def place(self, **attributes: Attribute) -> Item:
        """Return the RECEIPT_PLACE item."""
        return self._item("RECEIPT_PLACE", "#PLACE", **attributes)

    def label(
        self,
        line: int,
        word: int,
        label: str,
        status: str | None,
        added: str | None = AT,
        by: str | None = None,
        **attributes: Attribute,
    ) -> Item:
        """Return a RECEIPT_WORD_LABEL item."""
        return self._item(
            "RECEIPT_WORD_LABEL",
            f"#LINE#{line:05d}#WORD#{word:05d}#LABEL#{label}",
            validation_status=status,
            timestamp_added=added,
            label_proposed_by=by,
            **attributes,
        )

    def run(self, run_id: str = "run-1", **attributes: Attribute) -> Item:
        """Return a COMPACTION_RUN item whose deltas lie at `<collection>/delta/<run id>/`."""
        fields: dict[str, Attribute] = {
            "run_id": run_id,
            "lines_delta_prefix": f"lines/delta/{run_id}/",
            "words_delta_prefix": f"words/delta/{run_id}/",
            "lines_state": "PENDING",
            "words_state": "PENDING",
        }
        return self._item("COMPACTION_RUN", f"#COMPACTION_RUN#{run_id}", **{**fields, **attributes})

    def line_id(self, line: int) -> str:
        """Return the id of a line's embedding."""
        return f"IMAGE#{self.image}#{self.sk}#LINE#{line:05d}"

    def word_id(self, line: int, word: int) -> str:
        """Return the id of a word's embedding."""
        return f"{self.line_id(line)}#WORD#{word:05d}"

    def message(
        self,
        kind: str,
        event: str = "MODIFY",
        *,
        collections: Sequence[str] = ("lines", "words"),
        at: str = AT,
        **data: Any,
    ) -> StreamMessage:
        """Return the message that something of this receipt changed."""
        ids: Mapping[str, Any] = {"image_id": self.image, "receipt_id": self.number}
        return StreamMessage(
            entity_type=kind,
            entity_data={"entity_type": kind, **ids, **data},
            changes={},
            event_name=event,
            collections=tuple(ChromaDBCollection(name) for name in collections),
            source="dynamodb_stream",
            timestamp=at,
            stream_record_id="record",
            aws_region="us-east-1",
        )

    def run_message(self, run_id: str = "run-1", **data: Any) -> StreamMessage:
        """Return the message that a COMPACTION_RUN was inserted."""
        return self.message("COMPACTION_RUN", "INSERT", run_id=run_id, **data)

    def _item(self, entity_type: str, ending: str, **attributes: Attribute) -> Item:
        return item(f"IMAGE#{self.image}", f"{self.sk}{ending}", entity_type, **attributes)

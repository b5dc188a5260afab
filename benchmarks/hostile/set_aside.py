"""What `redrive` and `tag` read: a stream batch that Lambda gave up, a letter of the DLQ, a tag;
and what a person types for a version.

Whatever one of them holds, the good one beside it is sent.
"""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.hostile.boundary import Boundary
from benchmarks.hostile.case import Case
from benchmarks.hostile.memory_objects import MemoryObjects
from benchmarks.hostile.mutation import bytes_mutated, json_mutated, nested
from instep.errors import SnapshotCorrupt, SnapshotUnsupported, VersionRejected
from instep.flow.dead_letters import parcel_of
from instep.flow.envelope import Delivery
from instep.flow.failed_batches import PREFIX, FailedBatches
from instep.flow.redriving import Parcel
from instep.snapshot.copy.at import manifest_at
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.tags import Tag, read_tags
from instep.snapshot.format import document
from instep.snapshot.format.manifest import Facts, FileEntry, Layer, Manifest, PackRef
from receipt_domain import DOMAIN

_RECORD: Final = {
    "eventName": "REMOVE",
    "dynamodb": {
        "Keys": {"PK": {"S": "IMAGE#i1"}, "SK": {"S": "RECEIPT#00001"}},
        "OldImage": {"TYPE": {"S": "RECEIPT"}},
    },
}
_ATTRIBUTES: Final = ("attempts", "collection", "error", "reason", "message_id")
_TEXTS: Final = ("", "0", "9" * 5000, "words", "²", "no vector", "\ud800")
_VERSION: Final = "20251001T120000.000000Z-0123abcd"
_DECLARED: Final = (SnapshotCorrupt, SnapshotUnsupported, VersionRejected)
_ASKED: Final = (_VERSION, "kept", "2025-10-01T12:00:00+00:00", "2025-10-01", "20251001", "T12")


def boundaries(_scratch: Path) -> list[Boundary]:
    """Return the boundaries of what was set aside, and of names of versions."""
    return [
        Case("failed batch", (), _batch, _send_batch),
        Case("dead letter", (), _letter, _send_letter),
        Case("tag", _DECLARED, _tag, _read_tag),
        Case("at", _DECLARED, _asked, lambda at: _ignored(manifest_at(_store(_TAG), at))),
    ]


def _batch(dice: random.Random) -> bytes:
    if dice.random() < 0.05:
        return nested(dice)
    event: Any = {"Records": [_RECORD, json_mutated(dice, _RECORD)]}
    event = json_mutated(dice, event) if dice.random() < 0.5 else event
    payload = event if dice.random() < 0.3 else json.dumps(event)
    told: Any = {
        "requestContext": {"condition": "RetryAttemptsExhausted"},
        "responseContext": {"functionError": "Unhandled"},
        "payload": payload,
    }
    body = json.dumps(json_mutated(dice, told) if dice.random() < 0.5 else told).encode()
    return bytes_mutated(dice, body) if dice.random() < 0.3 else body


def _send_batch(body: bytes) -> None:
    good = json.dumps({"payload": json.dumps({"Records": [_RECORD]})}).encode()
    objects = MemoryObjects({f"{PREFIX}a": body, f"{PREFIX}b": good})
    parcels = [one for piece in FailedBatches(objects, DOMAIN).pieces() for one in piece]
    _check(parcels, 2)


def _letter(dice: random.Random) -> Delivery:
    body = json.dumps(json_mutated(dice, {"Records": [_RECORD]}), ensure_ascii=dice.random() < 0.5)
    if dice.random() < 0.3:
        mutated = bytes_mutated(dice, body.encode("utf-8", "surrogatepass"))
        body = mutated.decode("utf-8", "replace")
    if dice.random() < 0.05:
        body = nested(dice).decode()
    attributes = {dice.choice(_ATTRIBUTES): dice.choice(_TEXTS) for _ in range(3)}
    return Delivery("m", "h", body[: 1 << 20], attributes, 0)


def _send_letter(letter: Delivery) -> None:
    good = Delivery("good", "g", json.dumps({"Records": [_RECORD]}), {}, 0)
    _check([parcel_of(letter), parcel_of(good)], 2)


def _check(parcels: list[Parcel], count: int) -> None:
    """Hold that each parcel can be sent or says why not, and that the good one can."""
    if len(parcels) != count or parcels[-1].records != 1 or parcels[-1].problem is not None:
        raise AssertionError(f"a good parcel was not taken: {parcels}")
    for parcel in parcels:
        for message in parcel.messages:
            message.entry(0)["MessageBody"].encode()
            if parcel.problem is None and message.is_too_large:
                raise AssertionError("a message that SQS refuses would be sent")


def _manifest() -> Manifest:
    name = "0" * 64
    layer = Layer(_VERSION, 1, name, (PackRef(name, 1, 1),))
    at = datetime(2025, 10, 1, 12, tzinfo=UTC).isoformat()
    files = {"chroma.sqlite3": FileEntry((layer,))}
    return Manifest("words", _VERSION, None, at, "fuzz", 1, None, Facts(), files)


_TAG: Final = Tag("kept", _manifest(), "me@here", "2025-10-01T12:00:00+00:00").to_bytes()


def _tag(dice: random.Random) -> bytes:
    content = json_mutated(dice, document.read("tag", _TAG))
    if isinstance(content, dict) and dice.random() < 0.6:
        try:
            return document.write("tag", content)  # so that its checksum is right
        except (ValueError, TypeError):
            return _TAG
    return bytes_mutated(dice, _TAG)


def _read_tag(body: bytes) -> None:
    for tag in read_tags(_store(body)):
        if tag.manifest.collection != "words":
            raise AssertionError("the tag of another collection was believed")


def _asked(dice: random.Random) -> str:
    mutated = bytes_mutated(dice, dice.choice(_ASKED).encode(), 4)
    return mutated.decode("utf-8", "replace")[:5000]


def _store(tag: bytes) -> SnapshotStore:
    return SnapshotStore(MemoryObjects({"words/tags/kept": tag}), "words")


def _ignored(_: object) -> None:
    return None

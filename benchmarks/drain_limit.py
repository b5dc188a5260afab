"""What the functions hold in memory at the largest drain there is: 2,000 messages of 50 records, of
which a round takes what it has room for.

The real handlers, each call in a process of its own, over the local cloud. Every record feeds two
collections; SettleBatch is measured for each end a round can have.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import uuid4

from benchmarks.drain_worker import Call, call
from benchmarks.endpoint import keys_under
from benchmarks.measure import Figures, milliseconds
from benchmarks.report import Report, at_most
from benchmarks.stage import Stage
from instep.aws.objects import Objects
from instep.clock import utc_now
from instep.flow.envelope import RECORDS_PER_MESSAGE
from instep.flow.inbox import Inbox
from instep.flow.parking import BatchRef, park_result
from instep.lambda_.payloads import Tally

SIZE = 100_000
INGESTED = 1_000  # records of a stream batch
TARGETS = {
    "peak_mb_ingest": at_most(256),  # half of what the stack gives each
    "peak_mb_parse_batch": at_most(600),
    "peak_mb_settle_batch": at_most(250),
}

_IMAGE_BYTES: Final = 2_800  # two images in a record of 6 KB: Lambda takes 6 MB
_ONE_BAD_IN: Final = 20
_CARRIED: Final = ("execution", "started", "tally", "began", "drains", "more", "deliveries")

Json = dict[str, Any]


def run(stage: Stage, size: int = SIZE) -> Report:
    """Return each function's peak memory and seconds in a round of `size` records."""
    place = _Place.on(stage)
    ingest = place.call("ingest", {"Records": [*map(_ingested, range(min(INGESTED, size)))]})
    place.empty_inbox()
    place.inbox.send(map(_queued, range(size)))
    begun = {"execution": "bench", "started": utc_now().isoformat(), "tally": Tally().to_payload()}
    parse = place.call("parse_batch", {"input": {}, **begun})
    settled = {
        end: place.call("settle_batch", _settling(parse.answer, outcomes))
        for end, outcomes in _ends(place, parse.answer)
    }
    figures: Figures = {
        "peak_mb_ingest": ingest.peak_mb,
        "peak_mb_parse_batch": parse.peak_mb,
        "peak_mb_settle_batch": max(one.peak_mb for one in settled.values()),
        **{f"peak_mb_settle_batch_{end}": one.peak_mb for end, one in settled.items()},
        "records": parse.answer["collections"][0]["batch"]["count"],  # each is about its own
        "ingest_ms": milliseconds(ingest.seconds),
        "parse_batch_ms": milliseconds(parse.seconds),
        **{f"settle_batch_{end}_ms": milliseconds(one.seconds) for end, one in settled.items()},
        **place.parked(),
    }
    messages = -(-size // RECORDS_PER_MESSAGE)
    described = f"{messages:,} messages, {size:,} records that feed two collections each"
    return Report("drain_limit", described, figures, TARGETS)


@dataclass(frozen=True)
class _Place:
    """The services of one run, and the functions' way to them."""

    stage: Stage
    sqs: Any
    objects: Objects
    inbox: Inbox
    variables: Mapping[str, str]

    @classmethod
    def on(cls, stage: Stage) -> "_Place":
        endpoint, name = stage.endpoint, f"drain-{uuid4().hex[:8]}"
        sqs, s3 = endpoint.sqs(), endpoint.s3()
        s3.create_bucket(Bucket=name)
        inbox = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "600"})[
            "QueueUrl"
        ]
        dlq = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
        variables = {
            "DYNAMODB_TABLE_NAME": endpoint.lock_table(),  # no run is in the batch: never asked
            "LOCK_TABLE_NAME": endpoint.lock_table(),
            "CHROMADB_BUCKET": name,
            "INBOX_QUEUE_URL": inbox,
            "DLQ_URL": dlq,
            "EVENT_BUS_NAME": "default",
            "STACK_NAME": "Instep",
        }
        return cls(stage, sqs, Objects(s3, name), Inbox(sqs, inbox, dlq), variables)

    def call(self, function: str, event: Mapping[str, Any]) -> Call:
        return call(
            function, event, self.stage.endpoint.url, self.variables, self.stage.scratch / "calls"
        )

    def empty_inbox(self) -> None:
        self.sqs.purge_queue(QueueUrl=self.variables["INBOX_QUEUE_URL"])

    def parked(self) -> Figures:
        """Return the bytes of the round's one object, and how many there are."""
        keys = keys_under(self.objects.client, self.objects.bucket, "batches/")
        rounds = [key for key in keys if key.endswith(".jsonl.gz")]
        return {
            "parked_objects": len(rounds),
            "parked_bytes": sum(len(self.objects.get(key).body) for key in rounds),
        }


def _ends(place: _Place, parsed: Json) -> Iterator[tuple[str, list[Json]]]:
    """Yield how a round can end: nothing left to do, everything back, one collection's share back,
    and many records failed, each for a reason of its own.
    """
    collections = parsed["collections"]
    nothing: Json = {"failures": [], "done": []}
    applied = partial(_outcome, place, "applied", result=nothing)
    yield "deferred", [_outcome(place, "deferred", one) for one in collections]
    yield "stalled", [applied(collections[0]), _outcome(place, "failed", collections[1])]
    yield "failed", [applied(collections[0]), _some_failed(place, collections[1])]
    yield "applied", [applied(one) for one in collections]


def _outcome(place: _Place, status: str, of: Json, result: Json | None = None) -> Json:
    staged: Json = {"attempt": 1}
    if result is not None:
        reference = park_result(place.objects, BatchRef.from_payload(of["batch"]), result)
        staged["result"] = reference.to_payload()
    error = {"Error": "SnapshotCorrupt", "Cause": "a pack is gone"} if status == "failed" else {}
    return {**of, "outcome": {"status": status}, "staged": staged, "error": error}


def _some_failed(place: _Place, of: Json) -> Json:
    failures = [
        {
            "index": at,
            "error": "DeltaRejected",
            "reason": f"embedding {at} is no vector",
            "final": False,
        }
        for at in range(0, of["batch"]["count"], _ONE_BAD_IN)
    ]
    return _outcome(place, "applied", of, {"failures": failures, "done": []})


def _settling(parsed: Json, outcomes: Sequence[Json]) -> Json:
    return {**{name: parsed[name] for name in _CARRIED}, "outcomes": [*outcomes]}


def _queued(number: int) -> Json:
    """A merchant's change as ingest queues it: keys and mirrored fields, in 330 bytes."""
    return _change(number, {})


def _ingested(number: int) -> Json:
    """The same as the stream brings it, with what nobody mirrors."""
    return _change(number, {"raw_text": {"S": "x" * _IMAGE_BYTES}})


def _change(number: int, more: Json) -> Json:
    keys = {"PK": {"S": f"IMAGE#{number:036d}"}, "SK": {"S": "RECEIPT#00001#METADATA"}}
    return {
        "eventID": f"{number:032d}",
        "eventName": "MODIFY",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "Keys": keys,
            "ApproximateCreationDateTime": 1_767_225_600,
            "SequenceNumber": f"{number:021d}",
            "OldImage": {"merchant_name": {"S": "before"}, **more},
            "NewImage": {"merchant_name": {"S": f"shop {number}"}, **more},
        },
    }

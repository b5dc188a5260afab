"""`redrive` may be killed at any AWS call: nothing set aside is lost, all of it is sent, and a
start is announced to drain it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any, Final, TypeAlias

import pytest

from instep.aws.objects import Objects
from instep.flow.dead_letters import HIDDEN, DeadLetters
from instep.flow.envelope import Rejection
from instep.flow.failed_batches import FailedBatches
from instep.flow.inbox import Inbox
from instep.flow.lock_item import KEY
from instep.flow.redriving import Redriven, Source, Wanted, redrive
from instep.flow.runner import RunnerTable
from instep.flow.starter import Starter
from receipt_domain import DOMAIN
from tests.support.aws import BUS, FAILURES, LOCKS, Services, services
from tests.support.deaths import Moment, ProcessDied, dying
from tests.support.items import Paper, failed_batch, stream_record

NUMBERS: Final = range(3)
PAPER: Final = Paper("a")
POISON: Final = {"dynamodb": {"Keys": 7}, "eventName": "MODIFY"}
Place: TypeAlias = Callable[[Services], Source]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with services(monkeypatch) as made:
        yield made


def in_the_dlq(aws: Services) -> Source:
    records = [Rejection(signal(number), "a reason", 4, collection="words") for number in NUMBERS]
    inbox_of(aws).reject(records, "execution-1")
    return DeadLetters(aws.sqs, aws.dlq_url)


def in_the_bucket(aws: Services) -> Source:
    for number in NUMBERS:
        body = failed_batch([signal(number)])
        aws.s3.put_object(Bucket=FAILURES, Key=f"aws/lambda/esm/shard/{number}", Body=body)
    return FailedBatches(Objects(aws.s3, FAILURES), DOMAIN)


def signal(number: int) -> dict[str, Any]:
    """A record that tells itself from the others."""
    item = PAPER.metadata(merchant_name="shop")
    keys = item["PK"]["S"], item["SK"]["S"]
    return stream_record("INSERT", *keys, new=item, sequence=str(number))


def inbox_of(aws: Services) -> Inbox:
    return Inbox(aws.sqs, aws.inbox_url, aws.dlq_url)


def go(aws: Services, source: Source, wanted: Wanted | None = None) -> Redriven:
    runner = RunnerTable(aws.dynamodb, LOCKS)
    starter = Starter(runner, aws.events, BUS, "Instep")
    return redrive(source, inbox_of(aws), starter, wanted or Wanted())


def waiting(aws: Services) -> list[tuple[str, dict[str, str]]]:
    """The records in the inbox by their number, with their message's attributes."""
    aws.outlast_visibility()
    return [
        (record["dynamodb"]["SequenceNumber"], values(message))
        for message in aws.messages(aws.inbox_url)
        for record in json.loads(message["Body"])["Records"]
    ]


def values(message: dict[str, Any]) -> dict[str, str]:
    return {name: one["StringValue"] for name, one in message.get("MessageAttributes", {}).items()}


def is_left(aws: Services) -> bool:
    """Whether anything is still set aside."""
    aws.outlast_visibility()
    objects = Objects(aws.s3, FAILURES)
    return bool(aws.messages(aws.dlq_url)) or any(True for _ in objects.list(""))


@pytest.mark.invariant(1)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("place", [in_the_dlq, in_the_bucket])
def test_a_redrive_killed_at_any_call_loses_nothing(
    aws: Services, place: Place, moment: Moment
) -> None:
    for at in count():
        source = place(aws)
        with dying(at, moment) as first, suppress(ProcessDied):
            go(aws, source)
        if place is in_the_dlq:
            aws.pass_time(HIDDEN.total_seconds())  # what it had taken is visible again
        with dying(10_000, moment) as second:
            go(aws, place_again(place, aws))
        reached = first.calls[: at + (moment == "after")]
        assert {number for number, _ in waiting(aws)} == {str(n) for n in NUMBERS}, at
        assert not is_left(aws), at
        assert "PutEvents" in [*reached, *second.calls], at
        if not first.dead:
            break
        as_before(aws)
    assert at > 5  # received, sent, queued, announced, deleted


def as_before(aws: Services) -> None:
    """Empty the inbox, and let nobody drain it."""
    aws.outlast_visibility()
    for message in aws.messages(aws.inbox_url):
        aws.sqs.delete_message(QueueUrl=aws.inbox_url, ReceiptHandle=message["ReceiptHandle"])
    aws.dynamodb.delete_item(TableName=LOCKS, Key={"collection": {"S": KEY}})


def place_again(place: Place, aws: Services) -> Source:
    """Return the source as a new process would make it."""
    if place is in_the_dlq:
        return DeadLetters(aws.sqs, aws.dlq_url)
    return FailedBatches(Objects(aws.s3, FAILURES), DOMAIN)


@pytest.mark.parametrize("place", [in_the_dlq, in_the_bucket])
def test_what_is_sent_again_is_as_if_it_were_new(aws: Services, place: Place) -> None:
    done = go(aws, place(aws))
    assert (done.sent.total(), done.records, done.left) == (3, 3, 0)
    assert all(sent.get("attempts") == "0" for _, sent in waiting(aws))
    assert RunnerTable(aws.dynamodb, LOCKS).read().is_starting


NO_BATCHES: Final = {
    "empty": b"",
    "binary": b"\xff\xfe",
    "list": b"[]",
    "object": b"{}",
    "number": b'{"payload": 7}',
    "broken": b'{"payload": "{"}',
    "no-list": b'{"payload": {"Records": {}}}',
    "deep": b'{"payload": "' + b"[" * 5000 + b'"}',
    "positions": b'{"requestContext": 1, "DDBStreamBatchInfo": {}}',
}


@pytest.mark.invariant(8)
def test_objects_that_are_no_batch_are_named_and_stay_and_their_neighbours_go_on(
    aws: Services,
) -> None:
    source = in_the_bucket(aws)
    for name, body in NO_BATCHES.items():
        aws.s3.put_object(Bucket=FAILURES, Key=f"aws/lambda/esm/shard/{name}", Body=body)
    done = go(aws, source)
    named = [problem.partition(": ")[0] for problem in done.problems]
    assert sorted(named) == sorted(f"s3://{FAILURES}/aws/lambda/esm/shard/{n}" for n in NO_BATCHES)
    assert done.sent == {"RetryAttemptsExhausted (Unhandled)": 3}
    left = aws.s3.list_objects_v2(Bucket=FAILURES)["Contents"]
    assert {one["Key"].rpartition("/")[2] for one in left} == set(NO_BATCHES)


@pytest.mark.invariant(8)
def test_records_that_nobody_can_read_are_rejected_with_their_reason(aws: Services) -> None:
    odd = [POISON, 7, None, "text", [], {"Recheck": 1}]
    body = failed_batch([signal(0), *odd, signal(1)])
    aws.s3.put_object(Bucket=FAILURES, Key="aws/lambda/esm/shard/a", Body=body)
    done = go(aws, FailedBatches(Objects(aws.s3, FAILURES), DOMAIN))
    assert not done.problems
    assert {number for number, _ in waiting(aws)} == {"0", "1"}
    letters = aws.messages(aws.dlq_url)
    assert len(letters) == done.rejected > 0
    assert all(values(one)["reason"] for one in letters)


@pytest.mark.invariant(8)
def test_letters_of_any_content_are_sent_as_they_are(aws: Services) -> None:
    bodies = ["no json", "[" * 5000, '{"Records": 7}', json.dumps({"Records": [POISON]})]
    for body in bodies:
        aws.sqs.send_message(QueueUrl=aws.dlq_url, MessageBody=body)
    done = go(aws, DeadLetters(aws.sqs, aws.dlq_url))
    assert done.sent.total() == len(bodies)
    found = [json.loads(one["Body"])["Records"][0] for one in aws.messages(aws.inbox_url)]
    assert [one.get("body", POISON) for one in found] == [*bodies[:3], POISON]
    assert not is_left(aws)


def test_only_what_is_wanted_leaves_the_dlq_and_the_rest_is_visible_at_once(aws: Services) -> None:
    letters = [
        Rejection(signal(0), "No vector for it", collection="words"),
        Rejection(signal(1), "no VECTOR either", collection="lines"),
        Rejection(signal(2), "unreadable", collection="words"),
    ]
    inbox_of(aws).reject(letters, "execution-1")
    dlq = DeadLetters(aws.sqs, aws.dlq_url)
    done = go(aws, dlq, Wanted(reason="no vector", collection="words"))
    assert dict(done.sent) == {"No vector for it": 1}
    assert done.left == 2
    assert {values(one)["reason"] for one in aws.messages(aws.dlq_url)} == {
        "no VECTOR either",
        "unreadable",
    }


def test_what_comes_back_meanwhile_is_not_sent_in_circles(
    aws: Services,
) -> None:
    """A run as fast as that rejects each message the moment it is sent."""
    source = in_the_dlq(aws)
    inbox = inbox_of(aws)

    class Rejecting(Starter):
        def put(self, *_: Any) -> None:
            inbox.reject([Rejection(signal(9), "still wrong")], "execution-2")

    starter = Rejecting(RunnerTable(aws.dynamodb, LOCKS), aws.events, BUS, "Instep")
    done = redrive(source, inbox, starter, Wanted())
    assert done.sent.total() == 3
    assert [values(one)["reason"] for one in aws.messages(aws.dlq_url)] == ["still wrong"]

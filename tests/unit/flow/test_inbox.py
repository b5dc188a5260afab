"""The inbox: packed, drained whole, and nothing acknowledged that was not done."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from instep.errors import StorageUnavailable
from instep.flow.encoding import encode
from instep.flow.envelope import (
    BYTES_PER_MESSAGE,
    Delivery,
    Rejection,
    attempts_of,
    body_of,
    pack,
    unpack,
)
from instep.flow.inbox import Inbox
from tests.support.aws import Services
from tests.unit.flow.conftest import Hands


@pytest.fixture
def inbox(aws: Services, clock: Hands) -> Inbox:
    return Inbox(aws.sqs, aws.inbox_url, aws.dlq_url, clock)


def numbered(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"eventID": str(number), **more} for number in range(count)]


def taken(inbox: Inbox, clock: Hands, limit: int = 5000) -> Sequence[Delivery]:
    return inbox.drain(limit, clock() + timedelta(seconds=20)).deliveries


def drained(inbox: Inbox, clock: Hands, limit: int = 5000) -> list[dict[str, Any]]:
    return [dict(record) for delivery in taken(inbox, clock, limit) for record in unpack(delivery)]


def test_records_are_packed_fifty_a_message(inbox: Inbox, aws: Services) -> None:
    assert inbox.send(numbered(120)) == 3
    sizes = sorted(len(json.loads(one["Body"])["Records"]) for one in aws.messages(aws.inbox_url))
    assert sizes == [20, 50, 50]


def test_messages_stay_under_200_kb_and_a_larger_record_travels_alone() -> None:
    records = [*numbered(3, text="領" * 30_000), {"text": "y" * 300_000}, {"last": True}]
    packed = list(pack(map(encode, records)))
    assert [len(json.loads(body_of(few))["Records"]) for few in packed] == [2, 1, 1, 1]
    sizes = [len(body_of(few).encode()) for few in packed if "yyy" not in few[0]]
    assert max(sizes) <= BYTES_PER_MESSAGE + 100


def test_packing_nothing_sends_nothing(inbox: Inbox) -> None:
    assert list(pack([])) == []
    assert inbox.send([]) == 0


def test_thousands_of_messages_are_drained_each_once(inbox: Inbox, clock: Hands) -> None:
    records = numbered(1200, text="z" * 5_000)
    inbox.send(records)
    found = drained(inbox, clock)
    assert sorted(int(one["eventID"]) for one in found) == list(range(1200))
    assert drained(inbox, clock) == []


def test_a_drain_is_bounded_by_count(inbox: Inbox, clock: Hands) -> None:
    for _ in range(8):
        inbox.send(numbered(500))  # ten messages each
    drained = inbox.drain(20, clock() + timedelta(seconds=20))
    assert 20 <= len(drained.deliveries) <= 60
    assert drained.is_cut


def test_a_drain_is_bounded_by_time(inbox: Inbox, clock: Hands) -> None:
    inbox.send(numbered(1500))
    drained = inbox.drain(5000, until=clock())
    assert len(drained.deliveries) <= 10
    assert drained.is_cut


@pytest.mark.domain("spellings")
def test_attributes_travel_with_what_is_sent_again(inbox: Inbox, clock: Hands) -> None:
    inbox.send(numbered(1), collection="words", attempts=3, error="boom\x00\u2028 über")
    (delivery,) = taken(inbox, clock)
    assert (delivery.collection, delivery.attempts) == ("words", 3)
    assert delivery.attributes["error"] == "boom   \\xfcber"


def test_a_body_of_another_shape_is_one_wrapped_record(
    inbox: Inbox, aws: Services, clock: Hands
) -> None:
    attributes = {"collection": {"DataType": "String", "StringValue": "words"}}
    aws.sqs.send_message(
        QueueUrl=aws.inbox_url, MessageBody='{"entity_type": "X"}', MessageAttributes=attributes
    )
    (record,) = drained(inbox, clock)
    assert record["body"] == '{"entity_type": "X"}'
    assert record["messageAttributes"]["collection"]["stringValue"] == "words"


def test_attempts_that_are_no_number_count_as_none(
    inbox: Inbox, aws: Services, clock: Hands
) -> None:
    aws.sqs.send_message(
        QueueUrl=aws.inbox_url,
        MessageBody="{}",
        MessageAttributes={"attempts": {"DataType": "String", "StringValue": "9" * 5_000}},
    )
    (delivery,) = taken(inbox, clock)
    assert delivery.attempts == 0


@pytest.mark.parametrize("text", ["many", "-1", "²", "٣", "1.5", "", "1" * 10])
def test_only_a_sensible_number_of_attempts_is_one(text: str) -> None:
    assert attempts_of({"attempts": text}) == 0
    assert (attempts_of({"attempts": "4"}), attempts_of({})) == (4, 0)


def test_deleted_is_gone_and_handed_back_is_visible_when_it_was_told(
    inbox: Inbox, aws: Services, clock: Hands
) -> None:
    inbox.send(numbered(1100))  # 22 messages, more than two calls of each kind
    handles = [delivery.handle for delivery in taken(inbox, clock)]
    inbox.delete(handles[:11])
    inbox.hand_back(handles[11:], 0)
    assert (inbox.depth().visible, inbox.depth().in_flight) == (11, 0)
    inbox.hand_back([delivery.handle for delivery in taken(inbox, clock)], 60)
    assert (inbox.depth().visible, inbox.depth().in_flight) == (0, 11)
    assert aws.returning_in() == [60] * 11


def test_settling_twice_is_no_error(inbox: Inbox, clock: Hands) -> None:
    inbox.send(numbered(60))
    first, second = taken(inbox, clock)
    for _ in range(2):
        inbox.delete([first.handle])
        inbox.hand_back([second.handle], 0)
    assert inbox.depth().visible == 1


def test_poison_lies_in_the_dlq_with_its_reason(inbox: Inbox, aws: Services) -> None:
    inbox.reject([Rejection({"broken": True}, "no keys", 2, "m-1", "words")], execution="run-7")
    (message,) = aws.messages(aws.dlq_url)
    assert json.loads(message["Body"]) == {"Records": [{"broken": True}]}
    values = {name: one["StringValue"] for name, one in message["MessageAttributes"].items()}
    assert values == {
        "reason": "no keys",
        "attempts": "2",
        "execution": "run-7",
        "message_id": "m-1",
        "collection": "words",
    }


class Partial:
    """A queue client that refuses chosen entries of batch calls and records what it was sent."""

    def __init__(self, *refused: str, sender_fault: bool = False) -> None:
        self.refused, self.sender_fault = refused, sender_fault
        self.calls: list[list[dict[str, Any]]] = []

    def _answer(self, **call: Any) -> dict[str, Any]:
        self.calls.append(call["Entries"])
        return {
            "Failed": [
                {"Id": entry["Id"], "Code": "Refused", "SenderFault": self.sender_fault}
                for entry in call["Entries"]
                if entry["Id"] in self.refused
            ]
        }

    send_message_batch = delete_message_batch = change_message_visibility_batch = _answer


def over(client: Partial) -> Inbox:
    return Inbox(client, "inbox", "dlq")  # type: ignore[arg-type]


@pytest.mark.invariant(1)
def test_a_message_that_was_not_taken_raises_after_the_rest_was_sent() -> None:
    client = Partial("3")
    with pytest.raises(StorageUnavailable, match="2 failures, the first: send messages: Refused"):
        over(client).send(numbered(50 * 14))
    assert sorted(len(call) for call in client.calls) == [4, 10]


@pytest.mark.invariant(1)
@pytest.mark.parametrize("sender_fault", [True, False])
def test_even_a_refused_send_that_is_our_fault_is_not_ignored(sender_fault: bool) -> None:
    with pytest.raises(StorageUnavailable):
        over(Partial("0", sender_fault=sender_fault)).reject([Rejection({}, "poison")], "run")


def test_a_delete_that_failed_raises_but_a_handle_gone_stale_does_not() -> None:
    with pytest.raises(StorageUnavailable, match="delete messages: Refused"):
        over(Partial("0")).delete(["a", "b"])
    with pytest.raises(StorageUnavailable, match="hand messages back"):
        over(Partial("0")).hand_back(["a", "b"], 60)
    over(Partial("0", sender_fault=True)).delete(["a", "b"])
    over(Partial("0", sender_fault=True)).hand_back(["a", "b"], 60)


def test_calls_stay_under_a_mebibyte() -> None:
    client = Partial()
    over(client).send(numbered(12, text="x" * 190_000))
    assert all(len(json.dumps(call)) < 1_048_576 for call in client.calls)
    assert sum(len(call) for call in client.calls) == 12

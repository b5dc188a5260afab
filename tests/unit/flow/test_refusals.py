"""A queue that refuses what nobody foresaw: each message for itself, and nothing is lost."""

from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from instep.errors import StorageUnavailable
from instep.flow.envelope import Rejection
from instep.flow.inbox import Inbox
from tests.support.queues import StrictQueues, read, refusal, weigh


def over(queues: Any) -> Inbox:
    return Inbox(queues, "inbox", "dlq")


class Capricious(StrictQueues):
    """Refuses a message that holds the word, for a reason nobody foresaw, unless it is short."""

    def __init__(self, word: str, longest: int, *, whole: bool) -> None:
        super().__init__(whole)
        self.word, self.longest = word, longest

    def send_message_batch(
        self,
        QueueUrl: str,  # noqa: N803
        Entries: Sequence[Any],  # noqa: N803
    ) -> dict[str, Any]:
        bad = [
            entry["Id"]
            for entry in Entries
            if self.word in entry["MessageBody"] and weigh(entry) > self.longest
        ]
        if bad and self.whole:
            raise refusal("InvalidMessageContents")
        taken = [entry for entry in Entries if entry["Id"] not in bad]
        answer = super().send_message_batch(QueueUrl, taken) if taken else {"Failed": []}
        code = "InvalidMessageContents"
        answer["Failed"] += [{"Id": one, "Code": code, "SenderFault": True} for one in bad]
        return answer


@pytest.mark.invariant(1)
@pytest.mark.parametrize("whole", [True, False])
def test_what_a_queue_refuses_of_a_packed_message_is_set_aside_alone(whole: bool) -> None:
    queues = Capricious("odd", 0, whole=whole)
    queues.longest = 60_000
    given_ = [{"n": at, "text": "x" * 3_000} for at in range(120)]
    given_[60] = {"n": 60, "text": "odd" * 30_000}
    over(queues).send(given_)
    sent = [one["n"] for message in queues.held["inbox"] for one in read(message)[0]]
    assert sorted(sent) == [at for at in range(120) if at != 60]
    (message,) = queues.held["dlq"]
    ((dead,), attributes) = read(message)
    assert (dead["n"], attributes["reason"]) == (
        60,
        "SQS does not take it (InvalidMessageContents)",
    )


@pytest.mark.parametrize("whole", [True, False])
def test_a_rejection_that_is_refused_is_put_in_reduced_and_its_neighbours_as_they_are(
    whole: bool,
) -> None:
    queues = Capricious("領", 0, whole=whole)
    over(queues).reject(
        [Rejection({"n": at, "t": "領" if at == 3 else "x"}, "r") for at in range(9)], "run"
    )
    found = {read(message)[0][0]["n"]: read(message)[0][0] for message in queues.held["dlq"]}
    assert sorted(found) == list(range(9))
    assert found[3]["t"] == "領"
    assert "cut" in found[3]
    assert all("cut" not in found[at] for at in range(9) if at != 3)


def test_a_queue_that_refuses_even_that_is_an_outage_and_a_denied_call_goes_up_at_once() -> None:
    with pytest.raises(StorageUnavailable, match="the DLQ refuses 1 messages, however short"):
        over(Capricious("Records", 0, whole=False)).reject([Rejection({}, "r")], "run")

    class Denied(StrictQueues):
        def send_message_batch(self, **_: Any) -> dict[str, Any]:  # type: ignore[override]
            self.calls.append(0)
            raise refusal("AccessDenied", 403)

    queues = Denied()
    with pytest.raises(ClientError, match="AccessDenied"):
        over(queues).reject([Rejection({}, "r") for _ in range(9)], "run")
    assert len(queues.calls) == 1

"""Starts are coalesced, and a death between flip and event blocks nobody for long."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from instep.wake import EXPIRY, Starter, WakeFlag

from instep.errors import StorageUnavailable
from tests.support.aws import BUS, LOCKS, Services
from tests.unit.flow.conftest import Hands


@pytest.fixture
def flag(aws: Services, clock: Hands) -> WakeFlag:
    return WakeFlag(aws.dynamodb, LOCKS, clock)


class Bus:
    """A bus that answers as told and keeps what it was given."""

    def __init__(self, answer: dict[str, Any] | Exception | None = None) -> None:
        self.answer = answer or {"FailedEntryCount": 0}
        self.entries: list[dict[str, Any]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.entries += Entries
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def starter(flag: WakeFlag, bus: Bus) -> Starter:
    return Starter(flag, bus, BUS)  # type: ignore[arg-type]


def test_only_the_first_of_many_batches_starts_an_execution(flag: WakeFlag) -> None:
    bus = Bus()
    assert [starter(flag, bus).announce(5) for _ in range(4)] == [True, False, False, False]
    (event,) = bus.entries
    assert (event["Source"], event["DetailType"]) == ("instep", "Stream Batch Queued")
    assert event["Detail"] == '{"records": 5}'


def test_what_is_queued_after_a_drain_began_gets_a_start_of_its_own(flag: WakeFlag) -> None:
    assert flag.flip()
    flag.clear()
    assert flag.flip()


def test_while_an_execution_holds_the_flag_nobody_starts_another(
    flag: WakeFlag, clock: Hands
) -> None:
    flag.hold()
    assert not flag.flip()
    clock.move(seconds=EXPIRY.total_seconds() / 2)
    flag.hold()
    clock.move(seconds=EXPIRY.total_seconds() / 2)
    assert not flag.flip()
    flag.clear()
    assert flag.flip()


def test_clearing_a_clear_flag_is_no_error(flag: WakeFlag) -> None:
    flag.clear()
    flag.clear()
    assert flag.flip()


def test_who_dies_between_flip_and_event_blocks_nobody_for_long(
    flag: WakeFlag, clock: Hands
) -> None:
    assert flag.flip()
    clock.move(seconds=EXPIRY.total_seconds())
    assert not flag.flip()
    clock.move(seconds=1)
    assert flag.flip()


@pytest.mark.parametrize(
    "answer",
    [
        {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]},
        ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "PutEvents"),
    ],
)
def test_a_refused_event_leaves_the_flag_clear_for_the_next_batch(
    flag: WakeFlag, answer: dict[str, Any] | Exception
) -> None:
    with pytest.raises(StorageUnavailable, match="announce queued work"):
        starter(flag, Bus(answer)).announce(1)
    assert starter(flag, Bus()).announce(1)


def test_the_flag_is_no_lease(flag: WakeFlag, aws: Services) -> None:
    flag.flip()
    items = aws.dynamodb.scan(TableName=LOCKS)["Items"]
    assert [item["collection"]["S"] for item in items] == ["#wake"]

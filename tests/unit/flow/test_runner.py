"""Who drains: the item's verbs one at a time (their interleavings: tests/faults)."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from instep.errors import StorageUnavailable
from instep.flow.pace import BUSY_DELAYS, HIDDEN, Pace, delay
from instep.flow.runner import DEATHS, LAPSE, START, Claim, RunnerTable
from instep.flow.starter import Starter
from tests.support.aws import BUS, LOCKS, Services
from tests.unit.flow.conftest import Hands

PAUSE = timedelta(seconds=10)


@pytest.fixture
def runner(aws: Services, clock: Hands) -> RunnerTable:
    return RunnerTable(aws.dynamodb, LOCKS, PAUSE, clock)


def claimed(runner: RunnerTable, execution: str) -> Claim:
    claim = runner.claim(execution)
    assert claim is not None
    return claim


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


def starter(runner: RunnerTable, bus: Bus) -> Starter:
    return Starter(runner, bus, BUS, "Instep")  # type: ignore[arg-type]


def test_of_many_batches_one_starts_an_execution(runner: RunnerTable) -> None:
    bus = Bus()
    told = [starter(runner, bus).announce(5, f"batch-{at}") for at in range(4)]
    assert told == [True, False, False, False]
    (event,) = bus.entries
    assert (event["Source"], event["DetailType"]) == ("instep", "Stream Batch Queued")
    assert json.loads(event["Detail"]) == {"stack": "Instep", "records": 5}
    assert runner.read().queued == 20


def test_while_an_execution_drains_nobody_starts_another(runner: RunnerTable, clock: Hands) -> None:
    claimed(runner, "one")
    for _ in range(5):
        clock.move(seconds=LAPSE.total_seconds())
        runner.renew("one")
        assert runner.queue(1, "batch") is None
    assert runner.claim("two") is None


def test_only_the_runner_gives_a_sign_of_life(runner: RunnerTable, clock: Hands) -> None:
    claimed(runner, "one")
    until = runner.read().until
    clock.move(seconds=5)
    runner.renew("two")
    assert runner.read().until == until


@pytest.mark.invariant(7)
def test_what_is_queued_after_a_look_began_keeps_the_runner_from_ending(
    runner: RunnerTable,
) -> None:
    claim = claimed(runner, "one")
    runner.queue(1, "batch")
    assert not runner.finish("one", claim)
    assert runner.finish("one", claimed(runner, "one"))
    assert runner.read().runner is None


def test_a_start_that_meets_a_runner_leaves_its_wish(runner: RunnerTable) -> None:
    claim = claimed(runner, "one")
    assert runner.claim("two") is None
    assert not runner.finish("one", claim)


def test_a_runner_that_gave_no_sign_of_life_is_followed_and_its_messages_waited_for(
    runner: RunnerTable, clock: Hands
) -> None:
    claimed(runner, "one")
    died = clock()
    clock.move(seconds=(LAPSE + PAUSE).total_seconds() + 1)
    assert claimed(runner, "two").due == died + LAPSE + PAUSE + HIDDEN


def test_a_start_nobody_took_is_void_after_a_while(runner: RunnerTable, clock: Hands) -> None:
    assert runner.queue(1, "a") is not None
    assert runner.queue(1, "b") is None
    clock.move(seconds=START.total_seconds() + 1)
    assert runner.queue(1, "b") is not None


def test_the_end_of_a_runner_is_followed_at_once_but_not_for_ever(runner: RunnerTable) -> None:
    for at in range(DEATHS):
        claimed(runner, f"run-{at}")
        assert runner.follow(f"run-{at}") is not None
    claimed(runner, "last")
    assert runner.follow("last") is None


def test_a_round_that_came_to_its_end_makes_earlier_deaths_luck(runner: RunnerTable) -> None:
    claimed(runner, "one")
    runner.follow("one")
    assert claimed(runner, "two").deaths == 1
    again = runner.claim("two", went_well=True)
    assert again is not None
    assert again.deaths == 0


def test_the_end_of_who_drained_nothing_starts_nothing(runner: RunnerTable) -> None:
    claimed(runner, "one")
    assert runner.follow("two") is None
    assert runner.read().runner == "one"


def test_an_execution_that_ended_becomes_the_runner_no_more(runner: RunnerTable) -> None:
    runner.follow("one")
    assert runner.claim("one") is None


@pytest.mark.parametrize(
    "answer",
    [
        {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]},
        ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "PutEvents"),
    ],
)
def test_who_could_not_announce_a_start_has_it_when_tried_again(
    runner: RunnerTable, answer: dict[str, Any] | Exception
) -> None:
    with pytest.raises(StorageUnavailable, match="announce"):
        starter(runner, Bus(answer)).announce(1, "batch")
    assert not starter(runner, Bus()).announce(1, "another")
    assert starter(runner, Bus()).announce(1, "batch")


def test_rounds_start_no_closer_than_the_pace(clock: Hands) -> None:
    began = clock()
    clock.move(seconds=3.2)
    assert Pace(10).pause(began, clock()) == 7
    clock.move(seconds=60)
    assert Pace(10).pause(began, clock()) == 0
    assert Pace(0).pause(began, began) == 0


def test_what_is_hidden_is_waited_for_in_looks_no_further_apart_than_rounds(clock: Hands) -> None:
    now = clock()
    assert Pace(10).wait_for(now + timedelta(seconds=4), now) == 4
    assert Pace(10).wait_for(now + timedelta(seconds=40), now) == 10
    assert Pace(0).wait_for(now + timedelta(seconds=40), now) == 1
    assert Pace(10).wait_for(None, now) == 10


def test_a_delay_grows_and_then_stays() -> None:
    grown = [delay(BUSY_DELAYS, at) for at in range(10)]
    assert grown == sorted(grown)
    assert grown[-1] == BUSY_DELAYS[-1]

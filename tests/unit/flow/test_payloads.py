"""Payloads, settings and the deadline: what goes between states and what a function is given."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entrypoint import settings
from entrypoint.deadline import LONGEST, MARGIN, Deadline
from entrypoint.payloads import CollectionOutcome, ParseAnswer, Tally
from entrypoint.settling import cause_of
from instep.batch import BatchRef, Deliveries, Entry, Held, Origin
from instep.errors import ConfigurationMissing
from instep.settlement import Fate, Outcome, Verdict, settle
from tests.support.aws import Context

BATCH = {"key": "batches/run/0/words.json", "count": 2}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_answer_without_work_says_so_and_carries_no_reference() -> None:
    payload = ParseAnswer(Tally(3, 0, 1, 2), "queue", None, {}).to_payload()
    assert payload == {
        "round": 3,
        "failures": 0,
        "deferred": 1,
        "rejected": 2,
        "has_work": False,
        "source": "queue",
        "cause": "",
        "deliveries": None,
        "collections": [],
    }


def test_an_earlier_rounds_failure_still_has_a_cause_when_the_last_round_was_idle() -> None:
    assert (
        "2 records failed"
        in ParseAnswer(Tally(1, 2, 0, 0), "queue", None, {}).to_payload()["cause"]
    )


def test_an_outcome_names_the_error_that_ended_it() -> None:
    item = {
        "collection": "words",
        "batch": BATCH,
        "staged": {"attempt": 0},
        "outcome": {"status": "failed"},
        "error": {"Error": "SnapshotCorrupt", "Cause": "x" * 10_000},
    }
    outcome = CollectionOutcome.from_payload(item)
    assert outcome.reason.startswith("SnapshotCorrupt: xxx")
    assert len(outcome.reason) <= 500
    assert (outcome.fate, outcome.result) == (Fate.FAILED, None)


def test_a_result_of_an_attempt_that_lost_its_race_is_not_used() -> None:
    item = {
        "collection": "words",
        "batch": BATCH,
        "staged": {"attempt": 3, "result": BATCH},
        "outcome": {"status": "deferred"},
        "conflict": {"Error": "SnapshotConflict", "Cause": "HEAD moved"},
    }
    outcome = CollectionOutcome.from_payload(item)
    assert outcome.result is None
    assert outcome.reason == "SnapshotConflict: HEAD moved"
    applied = CollectionOutcome.from_payload({**item, "outcome": {"status": "applied"}})
    assert applied.result == BatchRef.from_payload(BATCH)


def test_the_cause_says_what_failed_where_its_records_are_and_what_to_do() -> None:
    deliveries = Deliveries((Held("h", "m", 4), Held("i", "n")), (Origin({}, 0), Origin({}, 1)))
    entries = [Entry({}, (0,)), Entry({}, (1,))]
    failed = Verdict(Fate.FAILED, "StorageUnavailable: S3 is down " + "x" * 2000)
    outcomes = [Outcome("words", entries, [failed, failed])]
    cause = cause_of(outcomes, settle(deliveries, outcomes))
    assert "words: 2 changes failed with StorageUnavailable: S3 is down" in cause
    assert "1 records are in the inbox again and 1 in the DLQ" in cause
    assert "`instep redrive`" in cause
    assert len(cause) < 1000


def test_no_cause_without_failure() -> None:
    deliveries = Deliveries((Held("h", "m"),), (Origin({}, 0),))
    outcomes = [Outcome("words", [Entry({}, (0,))], [Verdict(Fate.REJECTED, "poison")])]
    assert cause_of(outcomes, settle(deliveries, outcomes)) == ""


@pytest.mark.domain("wrong-timer")
@pytest.mark.parametrize(
    ("left", "longest"),
    [(900_000, LONGEST), (60_000, timedelta(seconds=60) - MARGIN)],
)
def test_the_deadline_is_this_calls_own(left: int, longest: timedelta) -> None:
    deadline = Deadline.of(Context("apply_updates", left), lambda: NOW)
    assert deadline.at == NOW + longest
    assert deadline.within(timedelta(seconds=9), lambda: NOW) == NOW + timedelta(seconds=9)
    assert deadline.within(timedelta(hours=9), lambda: NOW) == deadline.at


def test_a_missing_name_says_which_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCK_TABLE_NAME", raising=False)
    with pytest.raises(ConfigurationMissing, match=r"LOCK_TABLE_NAME.*instep deploy"):
        settings.lock_table()


def test_settings_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELTA_BUCKETS", " one, ,two")
    monkeypatch.setenv("LOCK_DURATION_MINUTES", "2.5")
    monkeypatch.setenv("HEARTBEAT_INTERVAL_SECONDS", "7")
    monkeypatch.setenv("CHROMA_ROOT", "/warm")
    assert settings.delta_buckets() == ["one", "two"]
    assert settings.lock_duration() == timedelta(seconds=150)
    assert settings.heartbeat_interval() == timedelta(seconds=7)
    assert settings.chroma_root() == Path("/warm")
    monkeypatch.delenv("DELTA_BUCKETS")
    assert settings.delta_buckets() == []

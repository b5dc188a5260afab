"""Payloads, settings and the deadline: what goes between states and what a function is given."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from instep.errors import ConfigurationMissing
from instep.flow.parking import Deliveries, Held, ResultRef
from instep.flow.settlement import Fate, Verdict, settle
from instep.lambda_ import settings
from instep.lambda_.deadline import LONGEST, MARGIN, Deadline
from instep.lambda_.payloads import CollectionOutcome, Next, ParseAnswer, Tally
from instep.lambda_.settling import cause_of
from tests.support.aws import Context

BATCH = {"key": "batches/run/0/a.jsonl.gz", "start": 10, "bytes": 90, "count": 2}
RESULT: dict[str, Any] = {"inline": {"failures": [], "done": []}}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_answer_without_work_says_what_follows_and_carries_no_reference() -> None:
    tally = Tally(looks=3, rounds=2, deferred=1, rejected=2)
    payload = ParseAnswer("run", NOW, tally, Next.LOOK, NOW, pause=7).to_payload()
    assert payload == {
        "execution": "run",
        "started": NOW.isoformat(),
        "tally": {
            "looks": 3,
            "rounds": 2,
            "failures": 0,
            "deferred": 1,
            "rejected": 2,
            "busy": 0,
            "stuck": 0,
            "cause": "",
            "unfolded": {},
        },
        "next": "look",
        "began": NOW.isoformat(),
        "pause": 7,
        "drains": True,
        "more": False,
        "deliveries": None,
        "collections": [],
    }


def test_an_earlier_rounds_cause_is_still_told_when_the_last_look_found_nothing() -> None:
    tally = Tally(looks=2, failures=2, cause="words: a pack is gone. " + "x" * 2000)
    answer = ParseAnswer("run", NOW, tally, Next.END, NOW).to_payload()
    assert Tally.from_payload(answer["tally"]).cause.startswith("words: a pack is gone")
    assert len(answer["tally"]["cause"]) <= 1000


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
        "staged": {"attempt": 3, "result": RESULT},
        "outcome": {"status": "deferred"},
        "conflict": {"Error": "SnapshotConflict", "Cause": "HEAD moved"},
    }
    outcome = CollectionOutcome.from_payload(item)
    assert outcome.result is None
    assert outcome.reason == "SnapshotConflict: HEAD moved"
    applied = CollectionOutcome.from_payload({**item, "outcome": {"status": "applied"}})
    assert applied.result == ResultRef(RESULT["inline"])


def test_the_cause_says_what_failed_where_its_records_are_and_what_to_do() -> None:
    deliveries = Deliveries([Held("h", "m", 4, 0, 1), Held("i", "n", 0, 1, 1)])
    failed = Verdict(Fate.FAILED, "StorageUnavailable: S3 is down " + "x" * 2000)
    cause = cause_of(settle(deliveries, {"words": {0: failed, 1: failed}}, {}))
    assert "words: 2 changes failed with StorageUnavailable: S3 is down" in cause
    assert "to be tried again: 1 record; in the DLQ, each with this error: 1 record. See" in cause
    assert "`instep redrive`" in cause
    assert len(cause) < 1000


def test_what_waits_for_its_collection_needs_nobody_to_redrive_it() -> None:
    stalled = Verdict(Fate.STALLED, "SnapshotCorrupt: a pack is gone")
    cause = cause_of(
        settle(Deliveries([Held("h", "m", 0, 0, 2)]), {"words": {0: stalled}}, {Fate.STALLED: 5})
    )
    assert "words: 1 change failed with SnapshotCorrupt: a pack is gone" in cause
    assert "Waiting in the inbox, to be tried again: 1 record; see `instep status`." in cause
    assert "redrive" not in cause


def test_no_cause_without_failure() -> None:
    poison = Verdict(Fate.REJECTED, "poison")
    assert cause_of(settle(Deliveries([Held("h", "m", 0, 0, 1)]), {"words": {0: poison}}, {})) == ""


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

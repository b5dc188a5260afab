"""A settlement carried out: each record goes where its verdict sends it, and every run is told."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.flow.batch import Entry
from instep.flow.encoding import encode
from instep.flow.inbox import Inbox
from instep.flow.parking import (
    BatchRef,
    Deliveries,
    Held,
    Lines,
    fetch_deliveries,
    park,
    park_result,
)
from instep.flow.settlement import MAX_ATTEMPTS, Fate, Verdict, settle
from instep.lambda_.payloads import CollectionOutcome
from instep.lambda_.settling import Judged, judge, return_records, told, weigh
from receipt_chroma.compaction.runs import RunId
from receipt_domain.write_back import write_back
from tests.support.items import Paper
from tests.support.parking import Shelf
from tests.support.queues import MEBIBYTE, StrictQueues

WORD = Paper().message("RECEIPT_WORD_LABEL", line_id=1, word_id=1, label="TOTAL").to_payload()

WAITS = {Fate.DEFERRED: 60, Fate.STALLED: 120}


def run_of(number: int) -> dict[str, Any]:
    data = {"lines_delta_prefix": "l", "words_delta_prefix": "w"}
    return Paper(number=number).run_message(f"run-{number}", **data).to_payload()


@dataclass
class Round:
    """A parked round of one record a delivery, each an entry of every collection given."""

    attempts: Sequence[int]
    messages: Sequence[Mapping[str, Any]]
    collections: Sequence[str] = ("lines", "words")
    size: int = 1
    shelf: Shelf = field(default_factory=Shelf)
    queues: StrictQueues = field(default_factory=StrictQueues)

    def __post_init__(self) -> None:
        held = [Held(f"h{at}", f"m{at}", tried, at, 1) for at, tried in enumerate(self.attempts)]
        records = Lines()
        for at in range(len(self.messages)):
            records.add(encode({"n": at, "text": "x" * self.size}))
        entries = [
            Entry(encode(one), (at,), awaited=one["entity_type"] == "COMPACTION_RUN")
            for at, one in enumerate(self.messages)
        ]
        batches = dict.fromkeys(self.collections, entries)
        reference, self.batches = park(self.shelf, "round", held, records, batches)
        self.deliveries = fetch_deliveries(self.shelf, reference)

    def outcome(
        self, collection: str, status: str, failures: Sequence[Mapping[str, Any]] = ()
    ) -> Judged:
        batch = self.batches[collection]
        result = park_result(self.shelf, batch, {"failures": [*failures], "done": []})
        item = {
            "collection": collection,
            "batch": batch.to_payload(),
            "staged": {"attempt": 1, "result": result.to_payload()},
            "outcome": {"status": status},
            "error": {} if status == "applied" else {"Error": "Died", "Cause": "of itself"},
        }
        return judge(self.shelf, CollectionOutcome.from_payload(item))

    def sent(self) -> dict[tuple[str, ...], list[int]]:
        """Return (collection, attempts, delay) -> the records that were sent again so."""
        found: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for message in self.queues.held["inbox"]:
            values = {
                name: one["StringValue"] for name, one in message["MessageAttributes"].items()
            }
            how = values["collection"], values["attempts"], str(message.get("DelaySeconds", 0))
            found[how] += [one["n"] for one in json.loads(message["MessageBody"])["Records"]]
        return found


def failure(index: int, *, final: bool = False) -> dict[str, Any]:
    return {"index": index, "error": "Bad", "reason": f"vector {index}", "final": final}


class Runs:
    """What each run was told."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, str], str] = {}
        self._guard = Lock()

    def _tell(self, run: RunId, collection: str, what: str) -> None:
        with self._guard:
            assert (run.run_id, collection) not in self.told
            self.told[run.run_id, collection] = what

    def complete(self, run: RunId, collection: str, merged: int) -> None:
        self._tell(run, collection, f"completed {merged}")

    def fail(self, run: RunId, collection: str, reason: str) -> None:
        self._tell(run, collection, f"failed {reason}")

    def postpone(self, run: RunId, collection: str) -> None:
        self._tell(run, collection, "pending")


def carried_out(round_: Round, *judged: Judged) -> Runs:
    weighed = weigh(round_.shelf, judged)
    settlement = settle(round_.deliveries, weighed.verdicts, WAITS)
    inbox: Any = round_.queues
    return_records(Inbox(inbox, "inbox", "dlq"), round_.deliveries, settlement, "run")
    runs: Any = Runs()
    done = {one.collection: one.done for one in judged}
    write_back(runs, done, told(weighed.untold, round_.deliveries))
    carried: Runs = runs
    return carried


def test_a_round_that_is_applied_reads_no_record_and_no_entry() -> None:
    round_ = Round([0, 0], [WORD, WORD])
    judged = [round_.outcome(name, "applied") for name in ("lines", "words")]
    round_.shelf.held.clear()
    weighed = weigh(round_.shelf, judged)
    assert (weighed.verdicts, weighed.untold) == ({}, [])
    settlement = settle(round_.deliveries, weighed.verdicts, WAITS)
    assert settlement.acknowledge == ["h0", "h1"]


def test_a_failed_collection_sends_its_share_back_as_it_was() -> None:
    round_ = Round([0, 3], [WORD, WORD])
    carried_out(round_, round_.outcome("lines", "applied"), round_.outcome("words", "failed"))
    assert round_.sent() == {("words", "0", "120"): [0], ("words", "3", "120"): [1]}
    assert not round_.queues.held["dlq"]


def test_bad_items_harm_themselves_alone() -> None:
    round_ = Round([0, 0, MAX_ATTEMPTS - 1, 0], [WORD] * 4, ["words"])
    bad = [failure(1, final=True), failure(2), failure(3)]
    carried_out(round_, round_.outcome("words", "applied", bad))
    assert round_.sent() == {("words", "1", "0"): [3]}
    dead = {}
    for message in round_.queues.held["dlq"]:
        (record,) = json.loads(message["MessageBody"])["Records"]
        dead[record["n"]] = {
            name: one["StringValue"] for name, one in message["MessageAttributes"].items()
        }
    assert sorted(dead) == [1, 2]
    assert dead[1] == {
        "reason": "Bad: vector 1",
        "attempts": "1",
        "execution": "run",
        "message_id": "m1",
        "collection": "words",
    }
    assert dead[2]["attempts"] == str(MAX_ATTEMPTS)


@pytest.mark.domain("run-failed", "wrong-states")
def test_a_run_is_told_what_became_of_it_in_each_collection() -> None:
    messages = [run_of(at) for at in range(4)]
    round_ = Round([0, 0, MAX_ATTEMPTS - 1, 0], messages)
    bad = [failure(1, final=True), failure(2), failure(3)]
    told = carried_out(
        round_, round_.outcome("words", "applied", bad), round_.outcome("lines", "deferred")
    ).told
    assert told == {
        ("run-1", "words"): "failed Bad: vector 1",
        ("run-2", "words"): "failed Bad: vector 2",
        ("run-3", "words"): "pending",
        **{(f"run-{at}", "lines"): "pending" for at in range(4)},
    }


def test_merged_runs_are_completed_even_beside_failures() -> None:
    round_ = Round([0] * 30, [run_of(at) for at in range(30)], ["words"])
    judged = round_.outcome("words", "applied", [failure(0, final=True)])
    merges = [
        {
            "run_id": f"run-{at}",
            "image_id": "img-1",
            "receipt_id": at,
            "prefix": "w",
            "merged_vectors": at,
            "started_at": "2026-01-01T00:00:00+00:00",
        }
        for at in range(1, 30)
    ]
    result = park_result(
        round_.shelf,
        round_.batches["words"],
        {"failures": [failure(0, final=True)], "done": merges},
    )
    item = {
        "collection": "words",
        "batch": judged.batch.to_payload(),
        "staged": {"result": result.to_payload()},
        "outcome": {"status": "applied"},
    }
    judged = judge(round_.shelf, CollectionOutcome.from_payload(item))
    told = carried_out(round_, judged).told
    assert told == {
        ("run-0", "words"): "failed Bad: vector 0",
        **{(f"run-{at}", "words"): f"completed {at}" for at in range(1, 30)},
    }


def test_megabytes_on_their_way_back_are_sent_in_turns() -> None:
    """Twelve megabytes in calls of one: what is held at once does not follow the round."""
    round_ = Round([0] * 80, [WORD] * 80, ["words"], size=150_000)
    carried_out(round_, round_.outcome("words", "failed"))
    assert not round_.queues.held["inbox"]  # all of it waits: handed back whole, nothing is sent
    input_ = Deliveries([], gzip_of(round_))
    verdicts = {"words": dict.fromkeys(range(80), Verdict(Fate.STALLED, "died"))}
    inbox: Any = round_.queues
    return_records(Inbox(inbox, "inbox", "dlq"), input_, settle(input_, verdicts, WAITS), "run")
    assert {how: sorted(found) for how, found in round_.sent().items()} == {
        ("words", "0", "120"): list(range(80))
    }
    assert max(round_.queues.calls) <= MEBIBYTE


def gzip_of(round_: Round) -> bytes:
    lines = Lines()
    for record in round_.deliveries.records():
        lines.add(record)
    return lines.close()


statuses = st.sampled_from(["applied", "deferred", "failed"])


@pytest.mark.invariant(1)
@given(
    st.lists(st.integers(0, MAX_ATTEMPTS), min_size=1, max_size=6),
    st.dictionaries(st.sampled_from(["lines", "words", "more"]), statuses, min_size=1),
    st.data(),
)
def test_every_record_of_every_collection_has_one_place(
    attempts: list[int], ends: dict[str, str], data: st.DataObject
) -> None:
    round_ = Round(attempts, [WORD] * len(attempts), sorted(ends))
    judged = []
    for name, status in sorted(ends.items()):
        bad = data.draw(
            st.lists(
                st.builds(failure, st.integers(0, len(attempts) - 1), final=st.booleans()),
                unique_by=lambda one: one["index"],
            )
        )
        judged.append(round_.outcome(name, status, bad if status == "applied" else ()))
    settlement = settle(round_.deliveries, weigh(round_.shelf, judged).verdicts, WAITS)
    back = {handle for handles in settlement.hand_back.values() for handle in handles}
    carried_out(round_, *judged)
    sent = [(how[0], at) for how, found in round_.sent().items() for at in found]
    dead = [
        (
            message["MessageAttributes"]["collection"]["StringValue"],
            json.loads(message["MessageBody"])["Records"][0]["n"],
        )
        for message in round_.queues.held["dlq"]
    ]
    applied = [
        (one.collection, at)
        for one in judged
        for at in range(len(attempts))
        if one.own.get(at, one.verdict).fate is Fate.APPLIED
    ]
    waiting = [(name, at) for name in ends for at in range(len(attempts)) if f"h{at}" in back]
    everything = [(name, at) for name in ends for at in range(len(attempts))]
    assert sorted([*sent, *dead, *applied, *waiting]) == sorted(everything)


def test_a_batch_ref_is_small() -> None:
    reference = BatchRef(
        "batches/" + "e" * 80 + "/49/0123456789abcdef.jsonl.gz", 10**8, 10**8, 10**5
    )
    assert len(json.dumps(reference.to_payload())) < 200

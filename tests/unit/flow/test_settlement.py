"""What becomes of a delivery: decided record by record, and nothing is acknowledged too early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.batch import Deliveries, Entry, Held, Origin, Signal, coalesce
from instep.settlement import (
    MAX_ATTEMPTS,
    RETRY_DELAYS,
    Fate,
    Outcome,
    Refusal,
    Resend,
    Verdict,
    attempts_of,
    final_fate,
    settle,
)

APPLIED, DEFERRED = Verdict(Fate.APPLIED), Verdict(Fate.DEFERRED, "busy")
FAILED, REJECTED = Verdict(Fate.FAILED, "boom"), Verdict(Fate.REJECTED, "poison")
RECORDS = [{"n": 0}, {"n": 1}]


def one_delivery(attempts: int = 0, of: int | None = 0) -> Deliveries:
    """Two records in one delivery (`of` None: from the execution's input)."""
    held = () if of is None else (Held("handle", "message", attempts),)
    return Deliveries(held, tuple(Origin(record, of) for record in RECORDS))


def outcome(collection: str, *verdicts: Verdict) -> Outcome:
    entries = [Entry({"n": at}, (at,)) for at in range(len(verdicts))]
    return Outcome(collection, entries, verdicts)


def test_an_applied_delivery_is_acknowledged() -> None:
    settled = settle(one_delivery(), [outcome("words", APPLIED, APPLIED)])
    assert settled.acknowledge == ["handle"]
    assert not settled.resend
    assert not settled.refuse


@pytest.mark.domain("wrong-count")
def test_a_wholly_deferred_delivery_goes_back_as_it_is() -> None:
    both = [outcome("words", DEFERRED, DEFERRED), outcome("lines", DEFERRED, DEFERRED)]
    settled = settle(one_delivery(), both)
    assert settled.hand_back == ["handle"]
    assert not settled.acknowledge
    assert not settled.resend
    assert settled.deferred == 4


def test_what_is_deferred_beside_something_applied_comes_back_for_its_collection() -> None:
    settled = settle(
        one_delivery(2), [outcome("words", DEFERRED, DEFERRED), outcome("lines", APPLIED)]
    )
    assert settled.resend == {Resend("words", 2, None, 0): RECORDS}
    assert settled.acknowledge == ["handle"]


def test_a_failed_record_comes_back_alone_with_its_error_and_one_attempt_more() -> None:
    settled = settle(one_delivery(1), [outcome("words", APPLIED, FAILED)])
    assert settled.resend == {Resend("words", 2, "boom", RETRY_DELAYS[1]): [RECORDS[1]]}
    assert settled.acknowledge == ["handle"]
    assert (settled.failed, settled.rejected) == (1, 0)


def test_the_last_attempt_is_followed_by_the_dlq() -> None:
    settled = settle(one_delivery(MAX_ATTEMPTS - 1), [outcome("words", FAILED, APPLIED)])
    assert settled.refuse == [Refusal(0, "words", "boom", MAX_ATTEMPTS)]
    assert not settled.resend
    assert (settled.failed, settled.rejected) == (1, 1)


def test_poison_goes_to_the_dlq_at_once_and_is_no_failure_of_the_run() -> None:
    settled = settle(one_delivery(), [outcome("words", REJECTED, APPLIED)])
    assert settled.refuse == [Refusal(0, "words", "poison", 1)]
    assert settled.acknowledge == ["handle"]
    assert (settled.failed, settled.rejected) == (0, 1)


def test_records_of_the_input_are_sent_to_the_inbox_when_they_were_not_applied() -> None:
    settled = settle(
        one_delivery(of=None),
        [outcome("words", DEFERRED, FAILED), outcome("lines", APPLIED, REJECTED)],
    )
    assert settled.resend == {
        Resend("words", 0, None, 0): [RECORDS[0]],
        Resend("words", 1, "boom", 0): [RECORDS[1]],
    }
    assert [refusal.origin for refusal in settled.refuse] == [1]
    assert not settled.acknowledge
    assert not settled.hand_back


def test_every_record_of_a_coalesced_entry_shares_its_fate() -> None:
    deliveries = Deliveries(
        (Held("a", "1"), Held("b", "2", attempts=4)), (Origin({"n": 0}, 0), Origin({"n": 1}, 1))
    )
    entry = Entry({}, (0, 1))
    settled = settle(deliveries, [Outcome("words", [entry], [FAILED])])
    assert list(settled.resend.values()) == [[{"n": 0}]]
    assert settled.refuse == [Refusal(1, "words", "boom", MAX_ATTEMPTS)]
    assert attempts_of(entry, deliveries) == 0
    assert final_fate(FAILED, attempts_of(entry, deliveries)) is Fate.FAILED


def test_of_several_messages_of_one_record_the_worst_counts() -> None:
    entries = [Entry({"a": 1}, (0,)), Entry({"b": 1}, (0,))]
    deliveries = Deliveries((Held("handle", "m"),), (Origin({"n": 0}, 0),))
    settled = settle(deliveries, [Outcome("words", entries, [FAILED, APPLIED])])
    assert list(settled.resend.values()) == [[{"n": 0}]]


fates = st.sampled_from([APPLIED, DEFERRED, FAILED, REJECTED])


@pytest.mark.invariant(1)
@given(
    brought=st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=8),
    attempts=st.lists(st.integers(0, MAX_ATTEMPTS - 1), min_size=4, max_size=4),
    data=st.data(),
)
def test_no_record_is_ever_without_a_place(
    brought: list[int | None], attempts: list[int], data: st.DataObject
) -> None:
    held = tuple(Held(f"h{at}", f"m{at}", attempts[at]) for at in range(4))
    origins = tuple(Origin({"n": at}, delivery) for at, delivery in enumerate(brought))
    outcomes = []
    for collection in ("lines", "words"):
        verdicts = [data.draw(fates) for _ in origins]
        entries = [Entry({}, (at,)) for at in range(len(origins))]
        outcomes.append(Outcome(collection, entries, verdicts))
    settled = settle(Deliveries(held, origins), outcomes)
    assert sorted(settled.acknowledge + settled.hand_back) == [one.handle for one in held]
    for at, origin in enumerate(origins):
        waits = origin.delivery is not None and f"h{origin.delivery}" in settled.hand_back
        for one in outcomes:
            applied = one.verdicts[at].fate is Fate.APPLIED
            again = any(
                how.collection == one.collection and {"n": at} in records
                for how, records in settled.resend.items()
            )
            refused = any(
                (refusal.origin, refusal.collection) == (at, one.collection)
                for refusal in settled.refuse
            )
            assert applied + waits + again + refused == 1


def signal(identity: str, origin: int, at: str | None = None, **more: object) -> Signal:
    return Signal(identity, ("words",), {"id": identity, **more}, origin, at)


def test_signals_about_one_entity_are_one_entry_that_stands_for_all_its_records() -> None:
    batches = coalesce(
        [
            signal("a", 0, "2026-01-02", first=True),
            signal("b", 1),
            signal("a", 2, "2026-01-01", last=True),
            signal("a", 2),
        ]
    )
    assert batches == {
        "words": [
            Entry({"id": "a"}, (0, 2), at="2026-01-02", since="2026-01-01"),
            Entry({"id": "b"}, (1,), None),
        ]
    }


def test_collections_are_kept_apart() -> None:
    both = Signal("a", ("words", "lines"), {}, 0)
    assert list(coalesce([both])) == ["lines", "words"]
    assert coalesce([]) == {}

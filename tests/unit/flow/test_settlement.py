"""What becomes of a delivery: decided record by record, and nothing is acknowledged too early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.flow.batch import Entry, Heard, coalesce
from instep.flow.encoding import Json, encode
from instep.flow.pace import BUSY_DELAYS, delay
from instep.flow.parking import Deliveries, Held
from instep.flow.settlement import (
    MAX_ATTEMPTS,
    RETRY_DELAYS,
    Fate,
    Refusal,
    Resend,
    Settlement,
    Verdict,
    final_fate,
    settle,
)

APPLIED, DEFERRED = Verdict(Fate.APPLIED), Verdict(Fate.DEFERRED, "busy")
STALLED = Verdict(Fate.STALLED, "cannot open")
FAILED, REJECTED = Verdict(Fate.FAILED, "boom"), Verdict(Fate.REJECTED, "poison")
WAITS = {Fate.DEFERRED: 60, Fate.STALLED: 120}
LATER, MUCH_LATER = WAITS[Fate.DEFERRED], WAITS[Fate.STALLED]


def two_records(attempts: int = 0, *, is_whole: bool = True) -> Deliveries:
    """Two records in one delivery."""
    return Deliveries([Held("handle", "message", attempts, 0, 2, is_whole)])


OF_THE_INPUT = Deliveries([])


def became(**verdicts: list[Verdict]) -> dict[str, dict[int, Verdict]]:
    """Return what became of record 0, 1, … in each collection."""
    return {collection: dict(enumerate(found)) for collection, found in verdicts.items()}


def test_an_applied_delivery_is_acknowledged() -> None:
    settled = settle(two_records(), became(words=[APPLIED, APPLIED]), WAITS)
    assert settled == Settlement(acknowledge=["handle"])
    assert settled.waits == 0


def test_a_delivery_of_which_nothing_is_said_is_applied() -> None:
    assert settle(two_records(), {}, WAITS) == Settlement(acknowledge=["handle"])


@pytest.mark.domain("wrong-count")
def test_a_wholly_deferred_delivery_comes_back_as_it_is_in_a_minute() -> None:
    both = became(words=[DEFERRED, DEFERRED], lines=[DEFERRED, DEFERRED])
    settled = settle(two_records(), both, WAITS)
    assert settled.hand_back == {60: ["handle"]}
    assert not settled.acknowledge
    assert not settled.resend
    assert (settled.deferred, settled.failed, settled.waits) == (4, 0, 60)


@pytest.mark.domain("wrong-count")
@pytest.mark.parametrize("attempts", range(MAX_ATTEMPTS + 2))
def test_a_collection_that_failed_as_a_whole_costs_no_attempt_however_often(attempts: int) -> None:
    settled = settle(two_records(attempts), became(words=[STALLED, STALLED]), WAITS)
    assert settled.hand_back == {120: ["handle"]}
    assert (settled.failed, settled.rejected, settled.waits) == (2, 0, 120)
    assert settled.failures == {("words", "cannot open"): 2}
    beside = settle(two_records(attempts), became(words=[STALLED, STALLED], lines=[APPLIED]), WAITS)
    assert beside.resend == {Resend("words", attempts, "cannot open", MUCH_LATER): [0, 1]}
    assert beside.acknowledge == ["handle"]


def test_what_waits_for_two_reasons_comes_back_when_both_may_be_over() -> None:
    settled = settle(two_records(), became(words=[STALLED, STALLED], lines=[DEFERRED]), WAITS)
    assert settled.hand_back == {MUCH_LATER: ["handle"]}


def test_what_is_deferred_beside_something_applied_comes_back_for_its_collection() -> None:
    settled = settle(two_records(2), became(words=[DEFERRED, DEFERRED], lines=[APPLIED]), WAITS)
    assert settled.resend == {Resend("words", 2, None, LATER): [0, 1]}
    assert settled.acknowledge == ["handle"]


def test_a_delivery_with_a_record_in_the_dlq_does_not_come_back_whole() -> None:
    """Else its poison would be parsed, and lie in the DLQ, once more with each return."""
    settled = settle(two_records(is_whole=False), became(words=[DEFERRED, DEFERRED]), WAITS)
    assert settled.resend == {Resend("words", 0, None, LATER): [0, 1]}
    assert settled.acknowledge == ["handle"]


def test_a_failed_record_comes_back_alone_with_its_error_and_one_attempt_more() -> None:
    settled = settle(two_records(1), became(words=[APPLIED, FAILED]), WAITS)
    assert settled.resend == {Resend("words", 2, "boom", RETRY_DELAYS[1]): [1]}
    assert settled.acknowledge == ["handle"]
    assert (settled.failed, settled.rejected, settled.waits) == (1, 0, RETRY_DELAYS[1])


def test_what_comes_back_at_once_is_worth_waiting_for_too() -> None:
    settled = settle(two_records(), became(words=[APPLIED, FAILED]), WAITS)
    assert settled.resend == {Resend("words", 1, "boom", 0): [1]}
    assert settled.waits == 1


def test_the_last_attempt_is_followed_by_the_dlq() -> None:
    settled = settle(two_records(MAX_ATTEMPTS - 1), became(words=[FAILED, APPLIED]), WAITS)
    assert settled.refuse == [Refusal(0, "words", "boom", MAX_ATTEMPTS)]
    assert not settled.resend
    assert (settled.failed, settled.rejected, settled.given_up, settled.waits) == (1, 1, 1, 0)


def test_poison_goes_to_the_dlq_at_once_and_is_no_failure_of_the_run() -> None:
    settled = settle(two_records(), became(words=[REJECTED, APPLIED]), WAITS)
    assert settled.refuse == [Refusal(0, "words", "poison", 1)]
    assert settled.acknowledge == ["handle"]
    assert (settled.failed, settled.rejected, settled.given_up) == (0, 1, 0)


def test_records_of_the_input_are_sent_to_the_inbox_when_they_were_not_applied() -> None:
    settled = settle(
        OF_THE_INPUT, became(words=[DEFERRED, FAILED, STALLED], lines=[APPLIED, REJECTED]), WAITS
    )
    assert settled.resend == {
        Resend("words", 0, None, LATER): [0],
        Resend("words", 1, "boom", 0): [1],
        Resend("words", 0, "cannot open", MUCH_LATER): [2],
    }
    assert [refusal.record for refusal in settled.refuse] == [1]
    assert not settled.acknowledge
    assert not settled.hand_back


def test_every_record_of_a_coalesced_entry_shares_its_fate_and_keeps_its_own_attempts() -> None:
    deliveries = Deliveries([Held("a", "1", 0, 0, 1), Held("b", "2", 4, 1, 1)])
    settled = settle(deliveries, became(words=[FAILED, FAILED]), WAITS)
    assert list(settled.resend.values()) == [[0]]
    assert settled.refuse == [Refusal(1, "words", "boom", MAX_ATTEMPTS)]
    assert [deliveries.attempts(at) for at in (0, 1)] == [0, 4]


@pytest.mark.parametrize(
    ("one", "other"),
    [(APPLIED, DEFERRED), (DEFERRED, STALLED), (STALLED, FAILED), (FAILED, REJECTED)],
)
def test_of_two_verdicts_about_a_record_the_worse_counts(one: Verdict, other: Verdict) -> None:
    assert one.worse_of(other) == other.worse_of(one) == other.worse_of(None) == other


verdicts = st.sampled_from([APPLIED, DEFERRED, STALLED, FAILED, REJECTED])
deliveries_of = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, MAX_ATTEMPTS + 3), st.booleans()), max_size=4
)


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Deliveries, dict[str, dict[int, Verdict]]]:
    """Draw deliveries, or an input of some records, and what became of each in some collection."""
    held, first = [], 0
    for at, (records, attempts, is_whole) in enumerate(draw(deliveries_of)):
        held.append(Held(f"h{at}", f"m{at}", attempts, first, records, is_whole))
        first += records
    total = first or draw(st.integers(1, 4))
    found: dict[str, dict[int, Verdict]] = {"lines": {}, "words": {}}
    for at in range(total):
        for collection in draw(st.sampled_from([("words",), ("lines", "words")])):
            found[collection][at] = draw(verdicts)
    return Deliveries(held), found


@pytest.mark.invariant(1)
@given(rounds())
def test_no_record_is_ever_without_a_place(
    given_: tuple[Deliveries, dict[str, dict[int, Verdict]]],
) -> None:
    deliveries, found = given_
    settled = settle(deliveries, found, WAITS)
    returned = [handle for handles in settled.hand_back.values() for handle in handles]
    assert sorted(settled.acknowledge + returned) == [one.handle for one in deliveries.held]
    for collection, became_ in found.items():
        for at, verdict in became_.items():
            held = deliveries.brought(at)
            waits = held is not None and held.handle in returned
            again = [
                how
                for how, records in settled.resend.items()
                if how.collection == collection and at in records
            ]
            refused = [
                one for one in settled.refuse if (one.record, one.collection) == (at, collection)
            ]
            applied = verdict.fate is Fate.APPLIED
            assert applied + waits + len(again) + len(refused) == 1


@pytest.mark.invariant(1)
@given(rounds())
def test_only_what_failed_itself_counts_an_attempt_or_meets_the_dlq(
    given_: tuple[Deliveries, dict[str, dict[int, Verdict]]],
) -> None:
    deliveries, found = given_
    settled = settle(deliveries, found, WAITS)
    for how, records in settled.resend.items():
        for at in records:
            fate = found[how.collection][at].fate
            own = fate is Fate.FAILED
            assert how.attempts == deliveries.attempts(at) + own
            assert how.delay in (RETRY_DELAYS if own else [WAITS[fate]])
    for refusal in settled.refuse:
        verdict = found[refusal.collection][refusal.record]
        assert final_fate(verdict, deliveries.attempts(refusal.record)) is Fate.REJECTED
        assert verdict.fate in {Fate.FAILED, Fate.REJECTED}


@given(rounds())
def test_who_waits_knows_for_how_long(
    given_: tuple[Deliveries, dict[str, dict[int, Verdict]]],
) -> None:
    settled = settle(*given_, WAITS)
    delays = [*settled.hand_back, *(how.delay for how in settled.resend)]
    assert (settled.waits > 0) is bool(delays)
    assert all(delay <= settled.waits <= 900 for delay in delays)
    assert all(60 <= seconds <= 120 for seconds in settled.hand_back)


def test_a_lease_held_for_an_hour_is_some_sixty_receives_and_no_attempt() -> None:
    deliveries, elapsed, receives = two_records(), 0, 0
    while elapsed < 3600:
        waits = {Fate.DEFERRED: delay(BUSY_DELAYS, receives)}
        settled = settle(deliveries, became(words=[DEFERRED, DEFERRED]), waits)
        assert not settled.refuse
        ((seconds, _),) = settled.hand_back.items()
        elapsed, receives = elapsed + seconds, receives + 1
    assert receives <= 70


def signal(identity: str, origin: int, at: str | None = None, **more: object) -> Heard:
    return Heard(identity, ("words",), encode({"id": identity, **more}), origin, at)


def test_signals_about_one_entity_are_one_entry_that_stands_for_all_its_records() -> None:
    batches = coalesce(
        [
            signal("a", 0, "2026-01-02", first=True),
            signal("b", 1),
            signal("a", 2, "2026-01-01", first=False),
            signal("a", 2, last=True),
        ]
    )
    assert batches == {
        "words": [
            Entry(Json('{"id":"a","last":true}'), (0, 2), "2026-01-02", "2026-01-01"),
            Entry(Json('{"id":"b"}'), (1,)),
        ]
    }
    assert batches["words"][0].message == {"id": "a", "last": True}


def test_collections_are_kept_apart() -> None:
    both = Heard("a", ("words", "lines"), Json("{}"), 0)
    assert list(coalesce([both])) == ["lines", "words"]
    assert coalesce([]) == {}

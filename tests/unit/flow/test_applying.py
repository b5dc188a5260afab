"""How fresh a version is: what of a batch counts, and since when it waited."""

from datetime import UTC, datetime

from instep.domain import Outcome, SignalFailure
from instep.flow.batch import Entry
from instep.flow.encoding import Json
from instep.lambda_.applying import applied, change_times, watermark

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FIRST, SECOND, THIRD, FOURTH = (f"2026-01-0{day}T00:00:00+00:00" for day in (1, 2, 3, 4))
AHEAD = "2999-01-01T00:00:00+00:00"


def test_the_watermark_is_the_newest_time_and_never_goes_back() -> None:
    entries = [
        Entry(Json("{}"), (), SECOND),
        Entry(Json("{}"), (), None),
        Entry(Json("{}"), (), FIRST),
    ]
    assert watermark(entries, None, NOW) == SECOND
    assert watermark(entries, THIRD, NOW) == THIRD
    assert watermark([Entry(Json("{}"), ())], None, NOW) is None


def test_a_time_ahead_of_ours_counts_as_now() -> None:
    """Pasted into the console once, it would otherwise stand in HEAD until that year comes."""
    ahead = Entry(Json("{}"), (), at=AHEAD, since=AHEAD)
    assert watermark([ahead], FIRST, NOW) == NOW.isoformat()
    times = change_times([ahead], NOW)
    assert times is not None
    assert times.oldest == NOW


def test_what_failed_was_not_applied() -> None:
    """Its time must not pass for applied: it is in the inbox again, or in the DLQ."""
    entries = [Entry(Json("{}"), (0,)), Entry(Json("{}"), (1,)), Entry(Json("{}"), (2,))]
    outcome = Outcome([SignalFailure(1, "DeltaRejected", "no such delta", final=True)])
    assert list(applied(entries, outcome)) == [entries[0], entries[2]]


def test_an_entity_waits_from_the_first_of_its_changes() -> None:
    entries = [
        Entry(Json("{}"), (), at=FOURTH, since=SECOND),
        Entry(Json("{}"), (), at=THIRD, since=FIRST),
        Entry(Json("{}"), ()),  # of a source that cannot tell
    ]
    times = change_times(entries, NOW)
    assert times is not None
    assert (times.changes, times.oldest.isoformat(), times.p50.isoformat()) == (2, FIRST, SECOND)


def test_changes_of_sources_that_cannot_tell_have_no_times() -> None:
    assert change_times([Entry(Json("{}"), ())], NOW) is None

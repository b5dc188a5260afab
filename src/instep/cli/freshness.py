"""How fresh the heads are, in words: what `status` and `wait` say of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from instep.cli.output import age_text, answers
from instep.cli.session import Session
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.freshness import Freshness
from instep.wording import number_text

_MINUTE_MS: Final = 60_000


def read_freshness(session: Session, collections: Sequence[str]) -> dict[str, Freshness]:
    """Return the freshness of each head; a collection without a version is left out.

    StorageUnavailable, or SnapshotCorrupt when a head cannot be read.
    """
    heads = {name: SnapshotStore(session.objects, name).head() for name in collections}
    return {name: head.freshness for name, head in heads.items() if head is not None}


def show_freshness(found: Mapping[str, Freshness], at: datetime) -> None:
    """Print a line a collection, as seen at the instant `at`."""
    for collection, freshness in found.items():
        answers.print(f"{collection}: {freshness_text(freshness, at)}")


def freshness_text(freshness: Freshness, at: datetime) -> str:
    """Say how old the newest change in a head is, and how long the changes it brought waited."""
    if freshness.watermark is None:
        said = "no change of the table's stream applied yet"
    else:
        said = f"newest change applied is {age_text(at - freshness.watermark)} old"
    lag = freshness.lag
    if lag is None:
        return said
    p50, p95, longest = map(_wait_text, (lag.p50_ms, lag.p95_ms, lag.max_ms))
    changes = number_text(lag.changes, "change")
    return f"{said}; lag of the last {changes}: p50 {p50}, p95 {p95}, max {longest}"


def _wait_text(milliseconds: int) -> str:
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < _MINUTE_MS:
        return f"{milliseconds / 1000:.1f} s"
    return age_text(timedelta(milliseconds=milliseconds))

"""When everything written has arrived: every word's label in the head, every run COMPLETED."""

from collections.abc import Callable, Mapping, Sequence
from threading import Event
from time import monotonic
from typing import Any

from benchmarks.cloud_app import RunFailed
from benchmarks.live import LiveApp
from benchmarks.probes import proposed_by
from instep.snapshot.copy.reader import Snapshot

_POLL_SECONDS = 0.05
_LOOKED_AT = 500  # words a look, from the first that was missing
_KEYS = 100  # BatchGetItem's limit
_SECONDS = 3_600.0


def await_labels(
    snapshot: Snapshot, words: Sequence[str], by: str, written: Callable[[], bool]
) -> float:
    """Follow the head until each word carries `by`; return when HEAD was found to name that version
    (monotonic seconds). RunFailed after an hour.
    """
    pause, missing, ends = Event(), list(words), monotonic() + _SECONDS
    while monotonic() < ends:
        asked = monotonic()
        if snapshot.refresh():
            missing = still_missing(lambda some: proposed_by(snapshot, some), missing, by)
            if not missing:
                return asked
        pause.wait(_POLL_SECONDS)
    raise RunFailed(f"{len(missing)} labels not in the head, written: {written()}")


def still_missing(
    carried_by: Callable[[list[str]], Mapping[str, object]], words: list[str], by: str
) -> list[str]:
    """Return the words without those found to carry `by`; who is missing early ends the look."""
    for start in range(0, len(words), _LOOKED_AT):
        some = words[start : start + _LOOKED_AT]
        carried = carried_by(some)
        left = [word for word in some if carried.get(word) != by]
        if left:
            return left + words[start + _LOOKED_AT :]
    return []


def all_completed(app: LiveApp, runs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the table says COMPLETED of every run's words."""
    for start in range(0, len(runs), _KEYS):
        keys = [{"PK": run["PK"], "SK": run["SK"]} for run in runs[start : start + _KEYS]]
        found = app.writer.batch_get_item(
            RequestItems={app.table: {"Keys": keys, "ConsistentRead": True}}
        )["Responses"][app.table]
        states = [run.get("words_state", {}).get("S") for run in found]
        if len(found) < len(keys) or set(states) != {"COMPLETED"}:
            return False
    return True

"""Tell whoever waits for a COMPACTION_RUN what became of it, once it is certain.

The rules are docs/domain.md's: COMPLETED only after publish, FAILED only when the message has gone
to the DLQ, and PENDING again for everything that will be tried once more.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from instep.flow.batch import Entry
from instep.flow.parking import Deliveries
from instep.flow.settlement import Fate, final_fate
from instep.lambda_.settling import Judged, Untold
from receipt_chroma.compaction.identity import ReceiptId
from receipt_chroma.compaction.runs import RunId, RunTable

_THREADS: Final = 8

_Write = Callable[[], Any]


def write_back(
    runs: RunTable, judged: Sequence[Judged], untold: Iterable[Untold], deliveries: Deliveries
) -> None:
    """Write the state of every run in the batch, several side by side."""
    with ThreadPoolExecutor(_THREADS) as pool:
        writes = [*_completions(runs, judged), *_others(runs, untold, deliveries)]
        for done in [pool.submit(write) for write in writes]:
            done.result()


def _completions(runs: RunTable, judged: Sequence[Judged]) -> Iterator[_Write]:
    for one in judged:
        for merge in one.merges:
            if merge.run_id and merge.image_id and merge.receipt_id is not None:
                run = RunId(ReceiptId(merge.image_id, merge.receipt_id), merge.run_id)
                write = runs.count if merge.refused else runs.complete  # the refused fail a run
                yield partial(write, run, one.collection, merge.merged_vectors)


def _others(runs: RunTable, untold: Iterable[Untold], deliveries: Deliveries) -> Iterator[_Write]:
    for one in untold:
        run = _run_of(one.entry)
        if run is None:
            continue
        # While one of its records comes back, the run is not over.
        attempts = min(map(deliveries.attempts, one.entry.origins))
        if final_fate(one.verdict, attempts) is Fate.REJECTED:
            yield partial(runs.fail, run, one.collection, one.verdict.reason)
        else:
            yield partial(runs.postpone, run, one.collection)


def _run_of(entry: Entry) -> RunId | None:
    """Return the run that a message is about; an older delta notice has none."""
    message = entry.message
    data = message["entity_data"]
    if message["entity_type"] != "COMPACTION_RUN" or not data.get("run_id"):
        return None
    return RunId(ReceiptId(data["image_id"], data["receipt_id"]), data["run_id"])

"""Tell whoever waits for a COMPACTION_RUN what became of it, once it is certain.

The rules are docs/domain.md's: COMPLETED only after publish, FAILED only when the message has gone
to the DLQ, and PENDING again for everything that will be tried once more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from instep.domain import Told
from receipt_chroma.compaction.identity import ReceiptId
from receipt_chroma.compaction.result import DeltaMerge
from receipt_chroma.compaction.runs import RunId, RunTable

_THREADS: Final = 8

_Write = Callable[[], Any]
Done = Mapping[str, Sequence[Mapping[str, Any]]]
"""By collection, the deltas that were merged."""


def write_back(runs: RunTable, done: Done, told: Iterable[Told]) -> None:
    """Write the state of every run in the batch, several side by side."""
    with ThreadPoolExecutor(_THREADS) as pool:
        writes = [*_completions(runs, done), *_others(runs, told)]
        for written in [pool.submit(write) for write in writes]:
            written.result()


def _completions(runs: RunTable, done: Done) -> Iterator[_Write]:
    for collection, merges in done.items():
        for merge in (DeltaMerge(**one) for one in merges):
            if merge.run_id and merge.image_id and merge.receipt_id is not None:
                run = RunId(ReceiptId(merge.image_id, merge.receipt_id), merge.run_id)
                write = runs.count if merge.refused else runs.complete  # the refused fail a run
                yield partial(write, run, collection, merge.merged_vectors)


def _others(runs: RunTable, told: Iterable[Told]) -> Iterator[_Write]:
    for one in told:
        data = one.content["entity_data"]
        if not data.get("run_id"):
            continue  # an older delta notice has no run
        run = RunId(ReceiptId(data["image_id"], data["receipt_id"]), data["run_id"])
        if one.given_up:
            yield partial(runs.fail, run, one.collection, one.reason)
        else:
            yield partial(runs.postpone, run, one.collection)

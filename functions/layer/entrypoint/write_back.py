"""Tell whoever waits for a COMPACTION_RUN what became of it, once it is certain.

The rules are docs/domain.md's: COMPLETED only after publish, FAILED only when the message has gone
to the DLQ, and PENDING again for everything that will be tried once more.
"""

from entrypoint.settling import Judged
from instep.batch import Deliveries, Entry
from instep.settlement import Fate, attempts_of, final_fate
from receipt_chroma.compaction.identity import ReceiptId
from receipt_chroma.compaction.runs import RunId, RunTable


def write_back(runs: RunTable, judged: Judged, deliveries: Deliveries) -> None:
    """Write the state of every run in one collection's batch."""
    collection = judged.outcome.collection
    for merge in judged.merges:
        if merge.run_id and merge.image_id and merge.receipt_id is not None:
            receipt = ReceiptId(merge.image_id, merge.receipt_id)
            write = runs.count if merge.refused else runs.complete  # refused records fail a run
            write(RunId(receipt, merge.run_id), collection, merge.merged_vectors)
    outcome = judged.outcome
    for entry, verdict in zip(outcome.entries, outcome.verdicts, strict=True):
        run = _run_of(entry)
        fate = final_fate(verdict, attempts_of(entry, deliveries))
        if run is None or fate is Fate.APPLIED:
            continue
        if fate is Fate.REJECTED:
            runs.fail(run, collection, verdict.reason)
        else:
            runs.postpone(run, collection)


def _run_of(entry: Entry) -> RunId | None:
    """Return the run that a message is about; an older delta notice has none."""
    if entry.message["entity_type"] != "COMPACTION_RUN":
        return None
    data = entry.message["entity_data"]
    if not data.get("run_id"):
        return None
    return RunId(ReceiptId(data["image_id"], data["receipt_id"]), data["run_id"])

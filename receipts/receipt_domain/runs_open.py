"""What the table says is on its way: COMPACTION_RUN items, and their state in each collection."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from instep.domain import Item
from receipt_chroma.compaction.attributes import is_alive
from receipt_dynamo_stream import ChromaDBCollection
from receipt_dynamo_stream.keys import parse_key

_OVER: Final = frozenset({"COMPLETED", "FAILED"})


def unfinished_runs(items: Sequence[Item], now: datetime) -> Mapping[tuple[str, str], str]:
    """Map (COMPACTION_RUN key, collection) to the state of that run there, finished or not.

    A run past its time to live is passed over by whoever would merge it: nobody waits for it.
    """
    return {
        (f"{item['PK']['S']}#{item['SK']['S']}", each.value): item[f"{each.value}_state"]["S"]
        for item in items
        if _is_run(item) and is_alive(item, now)
        for each in ChromaDBCollection
        if "S" in item.get(f"{each.value}_state", {})
    }


def is_open(run: Item) -> bool:
    """Say whether a run has something to merge that was neither merged nor given up."""
    return any(
        run.get(f"{each.value}_state", {}).get("S") not in _OVER
        for each in ChromaDBCollection
        if "S" in run.get(f"{each.value}_delta_prefix", {})
    )


def _is_run(item: Item) -> bool:
    key = parse_key(item["PK"]["S"], item["SK"]["S"])
    return key is not None and key.entity_type == "COMPACTION_RUN"

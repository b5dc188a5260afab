"""The pipeline's logic without its services: a table that is lived in, and what hears of it.

Records take the way they take on AWS (ingest's screening, ParseBatch's intake, the one path of
every update, the write-back), with no queue and no snapshot in between.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.clock import utc_now
from instep.flow.screening import screen
from instep.lambda_.intake import take_in
from instep.metrics import NoMetrics
from receipt_chroma.compaction import (
    CollectionUpdateResult,
    convergence,
    process_collection_updates,
)
from receipt_chroma.compaction.identity import ReceiptId
from receipt_chroma.compaction.runs import RunId, RunTable
from receipt_demo.producer import write_delta
from receipt_domain import DOMAIN
from receipt_domain.oracle import compare, expected
from receipt_dynamo_stream import StreamMessage
from tests.support.aws import BUCKET, ENTITIES
from tests.support.histories import (
    HOLLOW,
    PAPERS,
    Act,
    Key,
    Write,
    delta_of,
    ids_of,
    key_of,
)
from tests.support.items import Item, record
from tests.support.tables import Cloud

COLLECTIONS = ("lines", "words")
_STALE: dict[str, dict[str, Any]] = {
    "lines": {"merchant_name": "Before"},
    "words": {"label_status": "validated", "valid_labels": ",OLD,", "label_confidence": 0.5},
}


@dataclass
class Lived:
    """One history as it was lived so far: the table, when what was born, the records of it."""

    table: dict[Key, Item] = field(default_factory=dict)
    born: dict[Key, int] = field(default_factory=dict)
    runs: dict[Key, int] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)

    def change(self, key: Key, new: Item | None) -> None:
        """Note a change and the stream's record of it; a deletion of nothing is none."""
        old = self.table.pop(key, None)
        if new is None and old is None:
            return
        now = len(self.records)
        self.records.append(record(new, old, sequence=str(now), created=1_767_225_600 + now))
        if new is None:
            return
        self.table[key] = new
        if old is None:
            self.born[key] = now
            if new["TYPE"]["S"] == "COMPACTION_RUN":
                self.runs[key] = now

    def must_exist(self, collection: str) -> set[str]:
        """Return the embeddings that a run has brought since their item, and receipt, was born.

        Of others the contract does not say: nothing brings an embedding back but a run.
        """
        found = set()
        for paper in PAPERS:
            receipt = key_of(paper.receipt())
            brought = [
                at
                for key, at in self.runs.items()
                if key in self.table
                and key[1].startswith(f"{receipt[1]}#")
                and key[0] == receipt[0]
                and self.table[key][f"{collection}_delta_prefix"]["S"] != HOLLOW
            ]
            for id_ in ids_of(paper, collection):
                key = receipt[0], id_.removeprefix(f"{receipt[0]}#")
                if {key, receipt} <= self.table.keys() and any(
                    at > max(self.born[key], self.born[receipt]) for at in brought
                ):
                    found.add(id_)
        return found


class Lab:
    """The table, the collections and the deltas of every history's receipts.

    `most` embeddings are looked up, derived and written at once.
    """

    def __init__(self, cloud: Cloud, store: Any, scratch: Path) -> None:
        self.cloud, self._store, self._scratch = cloud, store, scratch
        self._runs = RunTable(cloud.dynamodb, ENTITIES)
        self.lived = Lived()
        self.most = 5000
        for collection in COLLECTIONS:
            store.create_collection(collection, embedding_function=None)
            for paper in PAPERS:
                self._write_delta(
                    collection, ids_of(paper, collection), delta_of(paper, collection)
                )

    def begin(self) -> Lived:
        """Start a history: an empty table, empty collections.

        The collections are emptied, not made anew: chromadb 1.5.9 leaves the lists of a deleted
        collection's records behind, and a new record may inherit them.
        """
        self.cloud.write(dict.fromkeys(map(key_of, self.cloud.items())))
        for name in COLLECTIONS:
            if ids := self._collection(name).get()["ids"]:
                self._collection(name).delete(ids=ids)
        self.lived = Lived()
        return self.lived

    def live(self, act: Act) -> None:
        """Let an act happen to the table; its records wait in `lived.records`."""
        last: dict[Key, Item | None] = {}
        for one in act:
            key, new = (key_of(one.item), one.item) if isinstance(one, Write) else (one.key, None)
            if new is not None or key in self.lived.table:
                last[key] = new
            self.lived.change(key, new)
        self.cloud.write(last)

    def hear(
        self, records: Sequence[dict[str, Any]], *, dies_before_settling: bool = False
    ) -> list[CollectionUpdateResult]:
        """Work on a batch of records; what dies before it settles hears of them again."""
        intake = take_in(screen(records, DOMAIN).kept, [], DOMAIN, NoMetrics())
        results = []
        for collection, entries in intake.batches.items():
            messages = [
                StreamMessage.from_payload(json.loads(json.dumps(entry.message)))
                for entry in entries
            ]
            result = self._apply(collection, messages)
            results.append(result)
            if not dies_before_settling:
                self._write_back(collection, messages, result)
        return results

    def carried(self) -> dict[str, dict[str, Any]]:
        """Return collection -> id -> metadata."""
        found = {}
        for name in COLLECTIONS:
            got = self._collection(name).get()
            found[name] = dict(zip(got["ids"], got["metadatas"], strict=True))
        return found

    def assert_in_step(self) -> None:
        """Hold every embedding against the oracle, and that none is missing."""
        carried = self.carried()
        truth = expected(self.lived.table.values(), utc_now())
        differences = [str(one) for one in compare(truth, carried)]
        assert differences == [], "\n".join(differences)
        for collection in COLLECTIONS:
            assert self.lived.must_exist(collection) - carried[collection].keys() == set()
            for metadata in carried[collection].values():
                assert metadata["producer"] == "kept"

    def _collection(self, name: str) -> Any:
        return self._store.get_collection(name, embedding_function=None)

    def _apply(self, collection: str, messages: Sequence[StreamMessage]) -> CollectionUpdateResult:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(convergence, "MOST", self.most)
            return process_collection_updates(
                messages,
                collection,
                self._store,
                logging.getLogger("lab"),
                None,
                self.cloud.dynamodb,
                table_name=ENTITIES,
                objects=Objects(self.cloud.s3, BUCKET),
                scratch=self._scratch,
            )

    def _write_back(
        self, collection: str, messages: Sequence[StreamMessage], result: CollectionUpdateResult
    ) -> None:
        """Do to the runs what SettleBatch does after publish."""
        for merge in result.delta_merge_results:
            assert merge.image_id is not None
            assert merge.receipt_id is not None
            run = RunId(ReceiptId(merge.image_id, merge.receipt_id), str(merge.run_id))
            self._runs.complete(run, collection, merge.merged_vectors)
        for failure in result.failures:
            assert (failure.error, failure.final) == ("DeltaRejected", True)
            data = messages[failure.index].entity_data
            run = RunId(ReceiptId(data["image_id"], data["receipt_id"]), data["run_id"])
            self._runs.fail(run, collection, failure.reason)

    def _write_delta(self, collection: str, ids: Sequence[str], prefix: str) -> None:
        """Write what a producer knew before the latest edits."""
        stale = {**_STALE[collection], "producer": "kept"}
        metadatas = [{"text": "milk", **stale} for _ in ids]
        vectors = [[float(at)] * 4 for at in range(len(ids))]
        write_delta(
            self.cloud.s3, BUCKET, prefix, collection, ids, vectors, metadatas, ["milk"] * len(ids)
        )

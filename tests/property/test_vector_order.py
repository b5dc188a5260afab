"""Vectors have an order, whatever that of their messages: after any history of runs, removals and
recreations, heard in any order, batches and repetitions, each embedding whose items exist and that
some run brought has the vector of the newest-created run that has it, and there are no others.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import chromadb
import pytest
from chromadb.config import Settings
from hypothesis import given, settings
from hypothesis import strategies as st

from instep.aws.objects import Objects
from receipt_chroma.compaction import merge, process_collection_updates
from receipt_chroma.compaction.identity import ReceiptId
from receipt_chroma.compaction.runs import RunId, RunTable
from receipt_demo.producer import write_delta
from receipt_dynamo_stream import StreamMessage
from tests.support.aws import BUCKET, ENTITIES, services
from tests.support.histories import key_of
from tests.support.items import Paper
from tests.support.tables import Cloud

PAPER = Paper("ordered")
RECEIPT = ReceiptId("ordered", 1)
BOTH = (1, 2)
SUBSETS = ((1,), (2,), BOTH)
RUNS = 4

Messages: TypeAlias = list[StreamMessage]


@dataclass(frozen=True)
class Run:
    """A run of a history: its words, its time, and a name that decides between two of one time."""

    words: tuple[int, ...]
    second: int
    name: str


@dataclass(frozen=True)
class Exist:
    """The receipt with these words, and nothing else of it, is what the table has from now on."""

    words: tuple[int, ...] | None


runs = st.builds(Run, st.sampled_from(SUBSETS), st.integers(0, 2), st.sampled_from("abc"))
exists = st.builds(Exist, st.sampled_from([None, (), (1,), (2,), BOTH, BOTH]))
histories = st.lists(runs | exists, min_size=2, max_size=8).map(
    lambda acts: [Exist(BOTH), Run(BOTH, 1, "b"), *acts]
)
hearing = st.sampled_from(["nothing", "all", "all", "some"])


class Lab:
    """A table with one receipt, its deltas (of run n every vector is n), and a collection."""

    def __init__(self, cloud: Cloud, store: Any, scratch: Path, patch: pytest.MonkeyPatch) -> None:
        self._cloud, self._store, self._scratch, self._patch = cloud, store, scratch, patch
        self._runs = RunTable(cloud.dynamodb, ENTITIES)
        self._words = store.create_collection("words", embedding_function=None)
        for number in range(1, RUNS + 1):
            for subset in SUBSETS:
                ids = [PAPER.word_id(1, word) for word in subset]
                row = [[float(number)] * 2] * len(ids), [{"x": 1}] * len(ids), ["t"] * len(ids)
                write_delta(cloud.s3, BUCKET, _prefix(number, subset), "words", ids, *row)

    def begin(self, *, slice_bytes: int) -> None:
        """Start a history: an empty table, an empty collection, and slices of so many bytes."""
        self._patch.setattr(merge, "_SLICE", slice_bytes)
        self._cloud.write(dict.fromkeys(map(key_of, self._cloud.items())))
        if ids := self._words.get()["ids"]:
            self._words.delete(ids=ids)
        self.merged: dict[int, Run] = {}
        self.there: tuple[int, ...] | None = None

    def live(self, act: Run | Exist) -> Messages:
        """Let an act happen to the table, and return what the stream says of it."""
        if isinstance(act, Exist):
            return self._exist(act.words)
        if len(self.merged) == RUNS:
            return []
        number = len(self.merged) + 1
        self.merged[number] = act
        run_id = f"{act.name}-{number}"
        self._cloud.put(PAPER.run(run_id, words_delta_prefix=_prefix(number, act.words)))
        at = f"2026-01-01T00:00:0{act.second}+00:00"
        return [PAPER.message("COMPACTION_RUN", "INSERT", run_id=run_id, at=at)]

    def hear(self, messages: Messages, *, dies_before_settling: bool = False) -> None:
        """Work on a batch; what dies before it settles hears of it again."""
        result = process_collection_updates(
            messages,
            "words",
            self._store,
            logging.getLogger("lab"),
            None,
            self._cloud.dynamodb,
            table_name=ENTITIES,
            objects=Objects(self._cloud.s3, BUCKET),
            scratch=self._scratch,
        )
        assert result.failures == []
        for merged in () if dies_before_settling else result.delta_merge_results:
            run = RunId(RECEIPT, str(merged.run_id))
            self._runs.complete(run, "words", merged.merged_vectors)

    def held(self) -> dict[str, float]:
        """Return embedding id -> the number of the run that its vector is of."""
        found = self._words.get(include=["embeddings"])
        return {id_: row[0] for id_, row in zip(found["ids"], found["embeddings"], strict=True)}

    def expected(self) -> dict[str, float]:
        """Say what is right, from the history alone."""
        newest: dict[str, float] = {}
        for number, run in sorted(
            self.merged.items(), key=lambda one: (one[1].second, f"{one[1].name}-{one[0]}")
        ):
            alive = set(run.words) & set(self.there or ())
            newest |= {PAPER.word_id(1, word): float(number) for word in alive}
        return newest

    def _exist(self, words: tuple[int, ...] | None) -> Messages:
        before, self.there = self.there, words
        messages: Messages = []
        items = {word: PAPER.word(1, word) for word in BOTH}
        for word, item in items.items():
            was, is_ = word in (before or ()), word in (words or ())
            if was != is_:
                self._cloud.write({key_of(item): item if is_ else None})
                event = "INSERT" if is_ else "REMOVE"
                messages.append(PAPER.message("RECEIPT_WORD", event, line_id=1, word_id=word))
        if (before is None) != (words is None):
            receipt = PAPER.receipt()
            self._cloud.write({key_of(receipt): None if words is None else receipt})
            messages.append(PAPER.message("RECEIPT", "REMOVE" if words is None else "INSERT"))
        return messages


def _prefix(number: int, words: Sequence[int]) -> str:
    return f"words/delta/{number}-{'-'.join(map(str, words))}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for every example: the deltas are written once."""
    scratch = tmp_path_factory.mktemp("lab")
    store: Any = chromadb.PersistentClient(
        str(scratch / "chroma"), settings=Settings(anonymized_telemetry=False)
    )
    with pytest.MonkeyPatch.context() as patch, services(patch) as aws:
        yield Lab(Cloud(aws), store, scratch, patch)
    store.close()


@pytest.mark.invariant(4)
@pytest.mark.domain("vectors-order", "vectors-come-back", "lives-with-its-item")
@pytest.mark.timeout(1200)
@settings(max_examples=settings().max_examples // 2)
@given(history=histories, data=st.data())
def test_the_newest_run_gives_each_living_embedding_its_vector(
    lab: Lab, history: Sequence[Run | Exist], data: st.DataObject
) -> None:
    lab.begin(slice_bytes=data.draw(st.sampled_from([1, 64 << 20])))
    waiting: Messages = []
    all_of_them: Messages = []
    for act in history:
        said = lab.live(act)
        waiting += said
        all_of_them += said
        heard = data.draw(hearing)
        batch = waiting if heard == "all" else []
        if waiting and heard == "some":
            batch = data.draw(st.lists(st.sampled_from(waiting), unique_by=id))
        again = data.draw(st.lists(st.sampled_from(all_of_them), max_size=1))
        dies = data.draw(st.sampled_from([False, False, True]))
        lab.hear([*batch, *again], dies_before_settling=dies)
        if not dies:
            waiting = [one for one in waiting if not any(one is other for other in batch)]
    shuffled = data.draw(st.permutations(waiting))
    cut = data.draw(st.integers(0, len(waiting)))
    lab.hear(shuffled[:cut])
    lab.hear(shuffled[cut:])
    assert lab.held() == lab.expected()
    lab.hear(data.draw(st.permutations(all_of_them)))
    assert lab.held() == lab.expected()

"""Receipts of 100 words for a deployed app: their items, their deltas, and the runs that name them.

Nothing of it is worth an embedding model: vectors are the workload's random floats, 64 wide.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

from benchmarks.items import Item, item
from benchmarks.workload import Fields, Workload
from instep.aws.objects import Objects
from receipt_demo.producer import write_delta

WIDTH = 64
A_RECEIPT = 100  # words
A_LINE = 5  # words, as the workload's
A_DELTA = 25  # receipts, where nothing asks for one each: a Chroma directory takes 47 ms to build

_BUILDERS = 2
_TABLES = {"merchant_name", "label_status", "valid_labels"}


@dataclass(frozen=True)
class Papers:
    """So many receipts, 20 lines of 5 words each; another `seed` gives others."""

    receipts: int
    seed: int = 20_251_124

    @property
    def words(self) -> int:
        """How many words there are."""
        return self.receipts * A_RECEIPT

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return self.words // A_LINE

    def embeddings(self, collection: str) -> int:
        """Return how many embeddings they bring to a collection."""
        return {"words": self.words, "lines": self.lines}[collection]

    @cached_property
    def ids(self) -> list[str]:
        """The embedding id of every word."""
        return [self._workload.word_id(number) for number in range(self.words)]

    def receipt(self, number: int) -> str:
        """Return how the ids of the `number`-th receipt begin."""
        return self.ids[number * A_RECEIPT].partition("#LINE#")[0]

    def items(self) -> Iterator[Item]:
        """Yield the RECEIPT, RECEIPT_LINE and RECEIPT_WORD items."""
        for number in range(self.receipts):
            yield from self.items_of(number)

    def items_of(self, number: int) -> Iterator[Item]:
        """Yield those of the `number`-th receipt."""
        yield item(self.receipt(number), "", "RECEIPT")
        words = self.ids[number * A_RECEIPT : (number + 1) * A_RECEIPT]
        yield from (item(line, "", "RECEIPT_LINE") for line in map(_line, words[::A_LINE]))
        yield from (item(word, "", "RECEIPT_WORD") for word in words)

    def upload(
        self, objects: Objects, collections: Sequence[str], receipts: int = A_DELTA
    ) -> list[Item]:
        """Store deltas of so many receipts each; return the COMPACTION_RUN items, yet unwritten."""
        starts = range(0, self.receipts, receipts)
        with ThreadPoolExecutor(_BUILDERS) as builders:
            return list(
                builders.map(lambda at: self._arrival(objects, collections, at, receipts), starts)
            )

    @property
    def _workload(self) -> Workload:
        return Workload(self.words, width=WIDTH, receipt_words=A_RECEIPT, seed=self.seed)

    def _arrival(
        self, objects: Objects, collections: Sequence[str], first: int, receipts: int
    ) -> Item:
        count = min(receipts, self.receipts - first) * A_RECEIPT
        words = self._workload.words(first * A_RECEIPT, count)
        run_id = f"bench-{self.seed}-{first}"
        named: dict[str, str] = {"run_id": run_id}
        for collection in collections:
            prefix = f"{collection}/delta/{run_id}/"
            rows = range(count) if collection == "words" else range(0, count, A_LINE)
            write_delta(
                objects.client,
                objects.bucket,
                prefix,
                collection,
                [_id(collection, words.ids[row]) for row in rows],
                words.embeddings[list(rows)],
                [_fields(collection, words.metadatas[row]) for row in rows],
                [words.documents[row] for row in rows],
            )
            named |= {f"{collection}_delta_prefix": prefix, f"{collection}_state": "PENDING"}
        return item(self.receipt(first), f"#COMPACTION_RUN#{run_id}", "COMPACTION_RUN", **named)


def _line(word: str) -> str:
    return word.partition("#WORD#")[0]


def _id(collection: str, word: str) -> str:
    return word if collection == "words" else _line(word)


def _fields(collection: str, fields: Fields) -> Fields:
    """Return what a producer knows: nothing that the table says, or a merge would correct it."""
    left_out = {"words": _TABLES, "lines": _TABLES | {"word_id"}}[collection]
    return {name: value for name, value in fields.items() if name not in left_out}

"""What the table says of words: whether their items exist, and their labels.

By key that is a key in a BatchGetItem and a Query a word; by range it is a page of a receipt, with
every item that lies between its words. Which of the two reads less is not known before, so a range
begins with a small page, and goes on only while it costs about what its words cost by key. The next
one begins with a page of what the last needed: the receipts of a table are alike.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Final

from instep.aws.table import Item, Range, TableReader
from receipt_chroma.compaction.attributes import TTL_ATTRIBUTE, is_alive
from receipt_chroma.compaction.spans import FEWEST, split

if TYPE_CHECKING:
    from datetime import datetime

    from instep.keys import Key
    from receipt_chroma.compaction.identity import EmbeddingId

_KEY: Final = ("PK", "SK", TTL_ATTRIBUTE)
_LABEL: Final = (*_KEY, "validation_status", "label_proposed_by", "timestamp_added")
_INFIX: Final = "#LABEL#"
_BEHIND: Final = "#LABEL$"  # a word's labels lie before it, its letters behind it
DEAREST: Final = 1.5  # what a range may cost, of what its words cost by key
_FIRST: Final = 0.5  # items on the first page, a word, where nothing is known
_LATER: Final = 1.2  # items on a page, of what the words so far lead to expect
_GROWTH: Final = 4  # and of what was read so far at most: a beginning may be no fair sample


@dataclass
class Words:
    """Which words exist, and the label items of each; a word that does not exist has none."""

    existing: set["EmbeddingId"] = field(default_factory=set)
    labels: dict["EmbeddingId", list[Item]] = field(default_factory=dict)


def read_words(
    reader: TableReader,
    checked: Collection["EmbeddingId"],
    labelled: Collection["EmbeddingId"],
    now: "datetime",
) -> Words:
    """Return which of `checked` exist, and the labels of each of `labelled`.

    A word of both lists is read once. Items past their time to live at `now` are none.
    """
    reading = _Reading(reader, frozenset(checked), frozenset(labelled), now)
    return reading.read()


@dataclass
class _Reading:
    reader: TableReader
    checked: frozenset["EmbeddingId"]
    labelled: frozenset["EmbeddingId"]
    now: "datetime"
    begin_with: float = _FIRST  # items a word, on a range's first page

    def read(self) -> Words:
        found = Words(labels={word: [] for word in self.labelled})
        spans, loners = split(self.checked | self.labelled)
        for span, (items, through) in zip(
            spans, self.reader.side_by_side(self._by_range, spans), strict=True
        ):
            self._note(span[:through], items, found)
            loners += span[through:]
        self._by_key(loners, found)
        return found

    def _by_range(self, words: Sequence["EmbeddingId"]) -> tuple[list[Item], int]:
        """Read neighbours, in the table's order; return the items of the first so many of them.

        What is not through when the range turned out dear is better read by key.
        """
        within = Range(words[0].key.pk, words[0].key.sk, f"{words[-1].key.sk}{_BEHIND}")
        ends = [f"{word.key.sk}{_BEHIND}" for word in words]
        items: list[Item] = []
        units, after = 0.0, None
        limit = max(FEWEST, ceil(self.begin_with * len(words)))
        while True:
            page = self.reader.page(within, _LABEL, after=after, limit=limit)
            items += page.items
            units += page.units
            after = page.reached
            if after is None:
                self.begin_with = max(_FIRST, _LATER * len(items) / len(words))
                return items, len(words)
            through = bisect_right(ends, after)
            if not through or units > DEAREST * sum(map(self._reads, words[:through])):
                self.begin_with = _FIRST
                return items, through
            expected = len(items) / through * (len(words) - through)
            limit = min(_GROWTH * len(items), max(limit, ceil(_LATER * expected)))

    def _by_key(self, words: Sequence["EmbeddingId"], found: Words) -> None:
        checked: dict[Key, EmbeddingId] = {word.key: word for word in words if word in self.checked}
        there = {
            checked[key]
            for key, item in self.reader.get(checked, _KEY).items()
            if is_alive(item, self.now)
        }
        found.existing |= there
        labelled = [
            word
            for word in words
            if word in self.labelled and (word in there or word not in self.checked)
        ]
        for word, items in zip(
            labelled, self.reader.side_by_side(self._labels_of, labelled), strict=True
        ):
            found.labels[word] = items

    def _labels_of(self, word: "EmbeddingId") -> list[Item]:
        pk, sk = word.key
        labels = self.reader.all_of(Range(pk, f"{sk}{_INFIX}", f"{sk}{_BEHIND}"), _LABEL)
        return [item for item in labels if is_alive(item, self.now)]

    def _note(self, words: Iterable["EmbeddingId"], items: Iterable[Item], found: Words) -> None:
        """Sort the items of a range to its words; what else lies between them falls away."""
        named = {word.key.sk: word for word in words}
        labels: dict[EmbeddingId, list[Item]] = {word: [] for word in named.values()}
        existing: set[EmbeddingId] = set()
        for item in items:
            head, label, _ = item["SK"]["S"].partition(_INFIX)
            word = named.get(head)
            if word is None or not is_alive(item, self.now):
                continue
            if label:
                labels[word].append(item)
            else:
                existing.add(word)
        found.existing |= existing & self.checked
        for word in labels.keys() & self.labelled:
            if word in existing or word not in self.checked:
                found.labels[word] = labels[word]

    def _reads(self, word: "EmbeddingId") -> int:
        """How many reads the word takes by key, each of which costs a unit at least."""
        return (word in self.checked) + (word in self.labelled)

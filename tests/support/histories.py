"""Histories of the entity table: what its owners do to it, act by act, as hypothesis draws them.

A small world, so that acts meet: three receipts, two of them of one image, each with two lines and
three words. Everything is data, so that a failing history can be read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st

from tests.support.items import Item, Paper

PAPERS = (Paper("a", 1), Paper("a", 10), Paper("b", 1))
LINES = (1, 2)
WORDS = ((1, 1), (1, 2), (2, 3))
LABELS = ("TOTAL", "date", "NET, GROSS", "A #LABEL# B")
HOLLOW = "nothing/lies/here"

Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Write:
    """An item as its owner writes it."""

    item: Item


@dataclass(frozen=True)
class Delete:
    """The end of an item; of one that is not there, nothing."""

    key: Key


Act: TypeAlias = Sequence[Write | Delete]


def key_of(item: Mapping[str, Any]) -> Key:
    """Return an item's primary key."""
    return item["PK"]["S"], item["SK"]["S"]


def delta_of(paper: Paper, collection: str) -> str:
    """Return the prefix of the one delta that a receipt's runs name."""
    return f"{collection}/delta/{paper.image}-{paper.number}"


def ids_of(paper: Paper, collection: str) -> list[str]:
    """Return the ids of a receipt's embeddings."""
    if collection == "lines":
        return [paper.line_id(line) for line in LINES]
    return [paper.word_id(*word) for word in WORDS]


def body(paper: Paper) -> list[Item]:
    """Return the items that the embeddings of a receipt live and die with."""
    lines = [paper.line(line) for line in LINES]
    return [paper.receipt(), *lines, *(paper.word(*word) for word in WORDS)]


def arrival(paper: Paper, run: int) -> Act:
    """A receipt is written (again), and a run that brings its embeddings."""
    return [Write(item) for item in [*body(paper), _run(paper, run)]]


def departure(paper: Paper) -> Act:
    """Everything there may be of a receipt is deleted."""
    labels = [paper.label(*word, name, None) for word in WORDS for name in LABELS]
    everything = [*labels, paper.metadata(), paper.place(), *reversed(body(paper))]
    return [Delete(key_of(item)) for item in everything]


def _run(paper: Paper, run: int, *, hollow: bool = False) -> Item:
    prefixes = {
        f"{name}_delta_prefix": HOLLOW if hollow else delta_of(paper, name)
        for name in ("lines", "words")
    }
    return paper.run(f"run-{run}", **prefixes)


papers = st.sampled_from([PAPERS[0], *PAPERS])  # the first is there from the beginning
words = st.sampled_from(WORDS)
names = st.sampled_from(LABELS)
gone = st.sampled_from([None, None, None, 1000])  # past its time to live, if it has one
texts = st.sampled_from([None, "", "corner SHOP", " Joe's ", "x"])
times = st.sampled_from(
    [
        None,
        "2026-01-01T12:00:00+05:00",
        "2026-01-01T08:00:00",
        "2026-01-01T07:30:00Z",
        "yesterday",
    ]
)
statuses = st.sampled_from([None, "VALID", "INVALID", "PENDING", "NEEDS_REVIEW", "NONE", ""])


def _fields(*fields: str) -> st.SearchStrategy[dict[str, str | None]]:
    """Any of the attributes absent, NULL, empty or a text."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(fields, texts))


def _with_life(item: Item, life: int | None) -> Item:
    return item if life is None else {**item, "TimeToLive": {"N": str(life)}}


metadatas = st.builds(
    lambda paper, fields, life: _with_life(paper.metadata(**fields), life),
    papers,
    _fields(
        "place_id",
        "merchant_name",
        "canonical_merchant_name",
        "merchant_category",
        "address",
        "phone_number",
    ),
    gone,
)
places = st.builds(
    lambda paper, fields, life: _with_life(paper.place(**fields), life),
    papers,
    _fields(
        "place_id",
        "merchant_name",
        "canonical_merchant_name",  # which a place has not: it must not count
        "merchant_category",
        "formatted_address",
        "address",
    ),
    gone,
)
labels = st.builds(
    lambda paper, word, name, status, at, by, life: _with_life(
        paper.label(*word, name, status, at, by), life
    ),
    papers,
    words,
    names,
    statuses,
    times,
    texts,
    gone,
)
letters = st.builds(
    lambda paper, word: {
        **paper.word(*word),
        "SK": {"S": f"{paper.word(*word)['SK']['S']}#LETTER#00001"},
        "TYPE": {"S": "RECEIPT_LETTER"},
    },
    papers,
    words,
)
parts = st.builds(lambda paper, at: body(paper)[at], papers, st.integers(0, 5))

# An act is made of its place in the history, which is its run's number: a producer gives each run
# an id of its own (docs/domain.md, COMPACTION_RUN).
_acts: st.SearchStrategy[Callable[[int], Act]] = st.one_of(
    papers.map(lambda paper: lambda run: arrival(paper, run)),
    papers.map(lambda paper: lambda _: departure(paper)),
    papers.map(lambda paper: lambda _: departure(paper)),
    papers.map(lambda paper: lambda run: [*departure(paper), *arrival(paper, run)]),
    papers.map(lambda paper: lambda run: [Write(_run(paper, run, hollow=True))]),
    st.lists(labels, min_size=1, max_size=4).map(lambda many: lambda _: [*map(Write, many)]),
    st.one_of(metadatas, places, letters, parts).map(lambda one: lambda _: [Write(one)]),
    st.one_of(metadatas, places, labels, parts).map(lambda one: lambda _: [Delete(key_of(one))]),
)
histories: st.SearchStrategy[list[Act]] = st.lists(_acts, min_size=1, max_size=7).map(
    lambda acts: [arrival(PAPERS[0], 0), *(act(run) for run, act in enumerate(acts, 1))]
)

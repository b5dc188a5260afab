"""A batch of a thousand changes with ten bad ones of each kind: each of them is set aside with its
reason, and everything else is applied, in one call.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from instep.chroma.foreign.records import Contents, Record
from instep.errors import DeltaRejected, MessageRejected
from receipt_chroma.compaction import CollectionUpdateResult, truth
from receipt_chroma.compaction.deltas import DeltaSource
from receipt_chroma.compaction.labels import Label, label_fields
from receipt_chroma.compaction.metadata import merchant_fields
from receipt_dynamo_stream import StreamMessage
from tests.support.items import Item, Paper
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import WIDTH, Apply, carried, embed

TEN = range(10)
HALF = "\ud800"

# What a derivation answers over a label of this name, or a merchant of it: raised, or in a field.
ANSWERS: Mapping[str, Any] = {
    "RAISES": LookupError("no such thing"),
    "NAN": math.nan,
    "HUGE": 2**64,
    "HALF": HALF,
    "LIST WITH NAN": [1.0, math.nan],
    "DICT": {"a": 1},
}


def answering(derive: Callable[..., Any], field: str, name_of: Callable[..., str | None]) -> Any:
    """Derive as ever, but for items of those names."""

    def answer(*items: Any) -> Any:
        items = tuple(list(item) if isinstance(item, map) else item for item in items)
        said = ANSWERS.get(name_of(*items) or "")
        if isinstance(said, Exception):
            raise said
        fields = derive(*items)
        return fields if said is None else {**fields, field: said}

    return answer


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def label_name(labels: Sequence[Label], *_: Any) -> str | None:
        return labels[0].name if labels else None

    def merchant_name(metadata: Item | None, _: Item | None) -> str | None:
        return metadata["merchant_name"]["S"] if metadata else None

    labels = answering(label_fields, "label_proposed_by", label_name)
    merchants = answering(merchant_fields, "place_id", merchant_name)
    monkeypatch.setattr(truth, "label_fields", labels)
    monkeypatch.setattr(truth, "merchant_fields", merchants)


def labelled(paper: Paper, word: tuple[int, int], label: str) -> StreamMessage:
    ids: dict[str, Any] = {"line_id": word[0], "word_id": word[1]}
    return paper.message("RECEIPT_WORD_LABEL", collections=("words",), **ids, label=label)


def record(vector: Any = None, document: Any = "text", **fields: Any) -> Record:
    good = np.full(WIDTH, 0.5, np.float32)
    return Record(good if vector is None else np.array(vector, np.float32), fields, document)


BAD_RECORDS: Mapping[str, tuple[Record, str]] = {
    "nan": (record([math.nan] * WIDTH), "NaN, infinite"),
    "infinity": (record([math.inf] * WIDTH), "NaN, infinite"),
    "narrow": (record([1.0]), f"the vector has 1 numbers, the collection's {WIDTH}"),
    "no numbers": (record([[1.0] * WIDTH]), "no list of numbers"),
    "document": (record(document=HALF), "document"),
    "value": (record(tags=[1, "a"]), "'tags': [1, 'a'] is no list of"),
    "key": (record(**{"#x": 1}), "a key may not be empty or begin with"),
}


@pytest.mark.invariant(8)
def test_a_thousand_changes_with_ten_bad_ones_of_each_kind(
    cloud: Cloud, words: Any, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[StreamMessage] = []
    expected: dict[int, str] = {}

    def add(message: StreamMessage, reason: str | None = None) -> None:
        if reason is not None:
            expected[len(messages)] = reason
        messages.append(message)

    # 700 words with a label each, the first of some kinds bad.
    whole = Paper("labels")
    names = [*(name for name in ANSWERS for _ in TEN), *["TAX"] * 640]
    places = [(at // 10 + 1, at % 10 + 1) for at in range(len(names))]
    cloud.put(
        whole.receipt(),
        *(whole.word(*at) for at in places),
        *(whole.label(*at, name, "VALID") for at, name in zip(places, names, strict=True)),
    )
    embed(words, [whole.word_id(*at) for at in places])
    for at, name in zip(places, names, strict=True):
        bad = f"{whole.word_id(*at)}: " if name in ANSWERS else None
        add(labelled(whole, at, name), bad)

    # 70 receipts with a merchant each, and two embeddings.
    for number, name in enumerate([*(name for name in ANSWERS for _ in TEN), *["costco"] * 10]):
        paper = Paper(f"merchant-{number:02}")
        cloud.put(paper.receipt(), paper.metadata(merchant_name=name))
        cloud.put(paper.word(1, 1), paper.word(1, 2), paper.label(1, 2, "TAX", "VALID"))
        embed(words, [paper.word_id(1, 1), paper.word_id(1, 2)], place_id="before")
        field = "cannot be derived" if name == "RAISES" else "'place_id': "
        bad = f"{paper.word_id(1, 1)} (1 more like it): {field}" if name in ANSWERS else None
        add(paper.message("RECEIPT_METADATA"), bad)
        add(labelled(paper, (1, 2), "TAX"))

    # 20 messages that name nothing, among others that do.
    for image in [HALF] * 10 + ["x" * 3000] * 10:
        add(Paper(image).message("RECEIPT", "REMOVE"), "unreadable ids")

    # A delta of 140 records, half of them bad.
    delta = Paper("delta")
    at_line = {kind: line for line, kind in enumerate(BAD_RECORDS, 1)}
    cloud.put(delta.receipt(), delta.run(), *(delta.word(9, word) for word in range(1, 71)))
    cloud.put(*(delta.word(at_line[kind], word + 1) for kind in BAD_RECORDS for word in TEN))
    good = {delta.word_id(9, word): record(x=word) for word in range(1, 71)}
    bad_records = {
        delta.word_id(at_line[kind], word + 1): BAD_RECORDS[kind][0]
        for kind in BAD_RECORDS
        for word in TEN
    }
    contents = Contents({**bad_records, **good}, {})
    monkeypatch.setattr(DeltaSource, "find", lambda *_: _Found())
    monkeypatch.setattr(DeltaSource, "read", lambda *_: contents)
    add(delta.run_message(), "70 of 140 records refused")

    result = apply(*messages)

    assert len(messages) + len(contents) - 1 == 1000
    failures = {failure.index: failure for failure in result.failures}
    assert failures.keys() == expected.keys()
    for index, reason in expected.items():
        assert reason in failures[index].reason
        assert failures[index].final
    assert len(failures) == len(result.failures)  # once each
    of_run = failures.pop(len(messages) - 1)
    assert of_run.error == DeltaRejected.__name__
    assert {failure.error for failure in failures.values()} == {MessageRejected.__name__}
    for kind, (_, reason) in BAD_RECORDS.items():
        assert f"{delta.word_id(at_line[kind], 1)}: " in of_run.reason
        assert reason in of_run.reason

    assert_the_rest_was_applied(words, result, whole, places, names)
    assert set(words.get(where={"image_id": "delta"})["ids"]) == good.keys()
    assert [merge.merged_vectors for merge in result.delta_merge_results] == [70]


def assert_the_rest_was_applied(
    words: Any,
    result: CollectionUpdateResult,
    whole: Paper,
    places: Sequence[tuple[int, int]],
    names: Sequence[str],
) -> None:
    got = words.get(ids=[whole.word_id(*at) for at in places])
    of_id = dict(zip(got["ids"], got["metadatas"], strict=True))
    for at, name in zip(places, names, strict=True):
        fields = of_id[whole.word_id(*at)]
        # Of a field that is refused the others are written; of a derivation that raises, none are.
        written = None if name == "RAISES" else f",{name},"
        assert fields.get("valid_labels") == written
        assert "label_proposed_by" not in fields
    for number, name in enumerate([*(name for name in ANSWERS for _ in TEN), *["costco"] * 10]):
        fields = carried(words, Paper(f"merchant-{number:02}").word_id(1, 2))
        assert fields["valid_labels"] == ",TAX,", "its own change was good"
        assert fields.get("place_id") == ("before" if name in ANSWERS else None)
        assert fields.get("merchant_name") == (None if name == "RAISES" else name.title())
    assert result.total_labels_updated == 690 + 70


class _Found:
    """A delta that is somewhere."""

    unpacked = 1000

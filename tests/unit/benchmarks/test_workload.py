"""Every side gets the same work, and none of it is there already."""

import numpy as np

from benchmarks.workload import Workload

WORKLOAD = Workload(2_000, width=8, updates=100)


def test_the_same_seed_gives_the_same_words_and_edits() -> None:
    again = Workload(2_000, width=8, updates=100)
    ours, theirs = WORKLOAD.words(500, 10), again.words(500, 10)
    assert ours.ids == theirs.ids
    assert ours.metadatas == theirs.metadatas
    assert np.array_equal(ours.embeddings, theirs.embeddings)
    assert WORKLOAD.edits("scattered", 3) == again.edits("scattered", 3)
    assert WORKLOAD.edits("scattered", 3) != WORKLOAD.edits("scattered", 4)


def test_a_word_has_thirteen_fields_a_document_and_the_width_asked_for() -> None:
    words = WORKLOAD.words(0, 5)
    assert {len(fields) for fields in words.metadatas} == {13}
    assert words.embeddings.shape == (5, 8)
    assert all(words.documents)
    assert len(set(WORKLOAD.words(0, 2_000).ids)) == 2_000


def test_an_edit_changes_two_fields_of_a_word_that_exists() -> None:
    words = WORKLOAD.words(0, WORKLOAD.size)
    carried = dict(zip(words.ids, words.metadatas, strict=True))
    for spread in ("scattered", "clustered"):
        edits = WORKLOAD.edits(spread, 0)
        assert len(edits) == 100
        for word, fields in edits.items():
            assert len(fields) == 2
            assert all(carried[word][key] != value for key, value in fields.items())


def test_clustered_edits_fall_on_ten_receipts_in_equal_shares() -> None:
    images = [word.split("#")[1] for word in WORKLOAD.edits("clustered", 0)]
    assert sorted(images.count(image) for image in set(images)) == [10] * 10


def test_scattered_edits_fall_on_many_receipts() -> None:
    assert len({word.split("#")[1] for word in WORKLOAD.edits("scattered", 0)}) > 18

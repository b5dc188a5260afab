"""What was touched is worked on in parts: together they are all of it, and none is large."""

from hypothesis import given
from hypothesis import strategies as st

from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
from receipt_chroma.compaction.touched import Touched

receipts = st.builds(ReceiptId, st.sampled_from("abc"), st.integers(1, 4))
words = st.builds(EmbeddingId, receipts, st.integers(1, 3), st.integers(1, 3))
touched = st.builds(
    Touched,
    receipts=st.sets(receipts),
    merchants=st.sets(receipts),
    whole=st.sets(words),
    removed=st.sets(words),
    labelled=st.sets(words),
)


@given(whole=touched, most=st.integers(1, 300))
def test_parts_are_the_whole_and_each_is_bounded(whole: Touched, most: int) -> None:
    parts = list(whole.slices(most))
    for name in ("receipts", "merchants", "whole", "removed", "labelled"):
        assert set().union(*(getattr(part, name) for part in parts)) == getattr(whole, name)
    for part in parts:
        assert part != Touched()
        assert len(part.labelled | part.removed | part.whole) <= most
        assert len(part.receipts | part.merchants) <= 1 + most // 128


@given(whole=touched)
def test_a_receipts_words_are_together_where_they_fit(whole: Touched) -> None:
    """Read together they cost one range; apart, one each."""
    parts = list(whole.slices(10**6))
    assert len(parts) == (whole != Touched())


@given(whole=touched, most=st.integers(9, 300))
def test_a_receipt_is_in_one_part_unless_it_is_larger_than_one(whole: Touched, most: int) -> None:
    seen: set[ReceiptId] = set()
    for part in whole.slices(most):
        mine = part.receipts | part.merchants
        mine |= {one.receipt for one in part.labelled | part.removed | part.whole}
        assert not mine & seen
        seen |= mine

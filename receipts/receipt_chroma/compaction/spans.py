"""Which touched words are read together: neighbours by one range, loners by key.

A range reads what lies between its words too, letters above all, and a receipt may have thousands
(docs/domain.md): so it is tried only where many neighbours are touched, and given up where it turns
out dear (`words`).
"""

from collections.abc import Iterable
from typing import Final

from receipt_chroma.compaction.identity import EmbeddingId

FEWEST: Final = 8  # words of a range: with less, keys cost as few requests, and no letters
_APART: Final = 4  # words of a line from one to the next: with more, too much lies between them


def split(words: Iterable[EmbeddingId]) -> tuple[list[list[EmbeddingId]], list[EmbeddingId]]:
    """Return the runs of neighbours that are worth a range each, and the words that are not.

    Both are in the order of the table's keys.
    """
    runs: list[list[EmbeddingId]] = []
    for word in sorted(words, key=lambda word: word.key):
        if runs and _are_neighbours(runs[-1][-1], word):
            runs[-1].append(word)
        else:
            runs.append([word])
    spans = [run for run in runs if len(run) >= FEWEST]
    return spans, [word for run in runs if len(run) < FEWEST for word in run]


def _are_neighbours(one: EmbeddingId, other: EmbeddingId) -> bool:
    """Say whether few words can lie between two: of a line, or of one and the next.

    Words are numbered within their line, or through the whole receipt; both are seen.
    """
    if one.receipt != other.receipt or one.word_id is None or other.word_id is None:
        return False
    between = other.word_id - one.word_id
    if one.line_id != other.line_id:
        between = between if between > 0 else other.word_id
    return between <= _APART and 0 <= other.line_id - one.line_id <= 1

"""Overwrite what an index on the disk still holds of the past.

chromadb writes the room that no element uses yet as it happened to lie in memory, deleted texts
perhaps among it; and a deleted element stays, with a mark beside its links and with its numbers,
for the graph leads through it.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from instep.chroma.hnsw.layout import ELEMENTS, LENGTH, LENGTHS, Layout, read_layout
from instep.errors import SnapshotUnsupported

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MARK_AT: Final = 2  # an element begins with its number of links (2 bytes), its mark, their rows
_DELETED: Final = 1


def forget(segment: Path) -> None:
    """Overwrite what no embedding has any more: deleted vectors, and room that no element uses.

    SnapshotUnsupported when the files are not what their header says.
    """
    try:
        layout = read_layout(segment)
    except ValueError as error:
        raise SnapshotUnsupported(f"{error}; is this another chromadb than 1.5.9?") from error
    _blank_unused_room(segment, layout)
    if layout.count:
        _replace_deleted(segment, layout)


def _blank_unused_room(segment: Path, layout: Layout) -> None:
    for name, width in ((ELEMENTS, layout.width), (LENGTHS, LENGTH)):
        path = segment / name
        size, used = path.stat().st_size, layout.count * width
        if size < used or size % width:  # an older chromadb leaves more room than its header says
            raise SnapshotUnsupported(
                f"{path} has {size} bytes, its header says {layout.count} elements of {width}; "
                f"is this another chromadb than 1.5.9?"
            )
        os.truncate(path, used)
        os.truncate(path, size)


def _replace_deleted(segment: Path, layout: Layout) -> None:
    """Give every deleted element the vector of the living one that its links lead to first.

    So the graph still leads where it led. Where nothing lives there is nothing to be led to: zeros.
    """
    rows = np.memmap(segment / ELEMENTS, np.uint8, "r+", shape=(layout.count, layout.width))
    marked = rows[:, _MARK_AT] & _DELETED
    waiting = {int(row): _links(rows[row]) for row in np.flatnonzero(marked)}
    like: dict[int, int] = {}
    reached = set(range(layout.count)) - waiting.keys()
    while found := {
        row: next(other for other in links if other in reached)
        for row, links in waiting.items()
        if any(other in reached for other in links)
    }:
        like |= {row: like.get(other, other) for row, other in found.items()}
        reached |= found.keys()
        waiting = {row: links for row, links in waiting.items() if row not in found}
    vectors = rows[:, layout.vector_at : layout.label_at]
    vectors[list(like)] = vectors[list(like.values())]
    vectors[list(waiting)] = 0
    rows.flush()


def _links(row: "NDArray[np.uint8]") -> list[int]:
    """Return the elements that one is linked to on the lowest level, as hnswlib has them."""
    (count,) = row[:2].view("<u2")
    return [int(other) for other in row[4 : 4 + 4 * int(count)].view("<u4")]

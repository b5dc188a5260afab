"""How chromadb's index lies on the disk: hnswlib's header, the room no vector uses yet, a stub.

Leans on hnswlib's format as chromadb 1.5.9 writes it: `header.bin` counts the elements and says how
wide one is; `data_level0.bin` and `length.bin` may have room for more of them than there are. That
room is written as it happened to lie in memory, deleted texts perhaps among it. A header that says
otherwise is refused. How many links a new element gets is in the header too, and not in chromadb's
tables. A deleted element stays, with a mark beside its links, for the graph leads through it.
"""

import math
import os
import pickle
import struct
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from instep.errors import SnapshotUnsupported

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER: Final = "header.bin"
ELEMENTS: Final = "data_level0.bin"
LABELS: Final = "index_metadata.pickle"
LENGTHS: Final = "length.bin"
_LINKS: Final = "link_lists.bin"
_LENGTH: Final = 4  # bytes an element
_MARK_AT: Final = 2  # an element begins with its number of links (2 bytes), its mark, their rows
_DELETED: Final = 1
_FORMAT: Final = struct.Struct("<i6QiIQQQdQ")
_VERSION: Final = 1
_NOBODY: Final = "instep: no embedding has this id"
_LINKS_OF_STUB: Final = 3  # 16 is chromadb's default; with 2 and 4 it costs as little


@dataclass(frozen=True)
class Layout:
    """Elements there is room for, elements there are, and where label and vector lie in one."""

    room: int
    count: int
    width: int
    label_at: int
    vector_at: int


def read_layout(segment: Path) -> Layout:
    """Return what an index's header says; ValueError when it is none or contradicts itself."""
    try:
        version, _, *numbers = _FORMAT.unpack((segment / HEADER).read_bytes())[:7]
    except struct.error as error:
        raise ValueError(f"{segment / HEADER} is no header of an index: {error}") from error
    layout = Layout(*numbers)
    whole = 0 <= layout.vector_at < layout.label_at and layout.label_at + 8 == layout.width
    if version != _VERSION or not whole or layout.count > layout.room:
        raise ValueError(f"{segment / HEADER} contradicts itself")
    return layout


def forget(segment: Path) -> None:
    """Overwrite what no embedding has any more: deleted vectors, and room that no element uses.

    SnapshotUnsupported when the files are not as described, and they are as they were then.
    """
    try:
        layout = read_layout(segment)
    except ValueError as error:
        raise SnapshotUnsupported(f"{error}; is this another chromadb than 1.5.9?") from error
    _blank_unused_room(segment, layout)
    if layout.count:
        _replace_deleted(segment, layout)


def lay_stub(segment: Path, dimension: int) -> None:
    """Lay an index without elements, whose new elements cost hardly anything and find nothing.

    For a client that needs none: chromadb builds one of what it adds all the same. It takes the
    files for an index only if a label names somebody.
    """
    links = 4 + 4 * 2 * _LINKS_OF_STUB
    layout = Layout(1, 0, links + 4 * dimension + 8, links + 4 * dimension, links)
    empty = (-1, 0xFFFFFFFF)  # highest level, entry point
    degree = (_LINKS_OF_STUB, 2 * _LINKS_OF_STUB, _LINKS_OF_STUB, 1 / math.log(_LINKS_OF_STUB))
    segment.mkdir()
    header = _FORMAT.pack(_VERSION, 0, *astuple(layout), *empty, *degree, _LINKS_OF_STUB)
    (segment / HEADER).write_bytes(header)
    for name in (ELEMENTS, LENGTHS, _LINKS):
        (segment / name).touch()
    labels = {
        "dimensionality": dimension,
        "total_elements_added": 1,
        "max_seq_id": None,
        "id_to_label": {_NOBODY: 1},
        "label_to_id": {1: _NOBODY},
        "id_to_seq_id": {},
    }
    (segment / LABELS).write_bytes(pickle.dumps(labels, protocol=4))


def _blank_unused_room(segment: Path, layout: Layout) -> None:
    for name, width in ((ELEMENTS, layout.width), (LENGTHS, _LENGTH)):
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

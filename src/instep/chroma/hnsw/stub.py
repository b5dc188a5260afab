"""An index without elements, for a client that writes and never searches.

chromadb builds an index of what it adds all the same. How many links a new element gets is said by
the header of the index it starts from, and not by chromadb's tables.
"""

import math
import pickle
from dataclasses import astuple
from pathlib import Path
from typing import Final

from instep.chroma.hnsw.layout import (
    ELEMENTS,
    FORMAT,
    HEADER,
    LABELS,
    LENGTHS,
    LINKS,
    VERSION,
    Layout,
)

_NOBODY: Final = "instep: no embedding has this id"
_DEGREE: Final = 3  # links of an element; chromadb's default is 16; 2 and 4 cost as little


def lay_stub(segment: Path, dimension: int) -> None:
    """Lay an index for vectors of so many floats, whose new elements cost hardly anything.

    chromadb takes the files for an index only if a label names somebody.
    """
    links = 4 + 4 * 2 * _DEGREE
    layout = Layout(1, 0, links + 4 * dimension + 8, links + 4 * dimension, links)
    empty = (-1, 0xFFFFFFFF)  # highest level, entry point
    degree = (_DEGREE, 2 * _DEGREE, _DEGREE, 1 / math.log(_DEGREE), _DEGREE)
    segment.mkdir(exist_ok=True)  # chromadb makes the folder long before it fills it
    header = FORMAT.pack(VERSION, 0, *astuple(layout), *empty, *degree)
    (segment / HEADER).write_bytes(header)
    for name in (ELEMENTS, LENGTHS, LINKS):
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

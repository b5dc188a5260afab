"""How an index lies on the disk: its files, and what its header says of them.

`header.bin` counts the elements and says how wide one is; `data_level0.bin` and `length.bin` may
have room for more of them than there are. A header that contradicts itself is refused.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HEADER: Final = "header.bin"
ELEMENTS: Final = "data_level0.bin"
LABELS: Final = "index_metadata.pickle"
LENGTHS: Final = "length.bin"
LINKS: Final = "link_lists.bin"
LENGTH: Final = 4  # bytes an element
FORMAT: Final = struct.Struct("<i6QiIQQQdQ")
VERSION: Final = 1
_WIDEST: Final = 1 << 20  # bytes of an element: more floats than chromadb's own limit allows


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
        with (segment / HEADER).open("rb") as file:
            version, _, *numbers = FORMAT.unpack(file.read(FORMAT.size + 1))[:7]
    except struct.error as error:
        raise ValueError(f"{segment / HEADER} is no header of an index: {error}") from error
    layout = Layout(*numbers)
    whole = 0 <= layout.vector_at < layout.label_at and layout.label_at + 8 == layout.width
    whole = whole and layout.width <= _WIDEST and (layout.label_at - layout.vector_at) % 4 == 0
    if version != VERSION or not whole or layout.count > layout.room:
        raise ValueError(f"{segment / HEADER} contradicts itself")
    return layout

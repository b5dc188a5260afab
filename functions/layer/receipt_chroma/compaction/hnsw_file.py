"""The vectors of a persisted HNSW segment, read as plain numbers and without its links.

The layout is hnswlib's: `header.bin` says how wide an element of `data_level0.bin` is and where its
vector and label lie; `index_metadata.pickle` maps ids to labels. Every offset is checked against
the file before it is used, and the pickle may hold plain data only.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from instep.errors import DeltaRejected
from instep.hnsw_layout import ELEMENTS, HEADER, Layout, read_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LABELS_FILE: Final = "index_metadata.pickle"
INDEX_FILES: Final = frozenset({HEADER, ELEMENTS, _LABELS_FILE})
_PLAIN: Final = frozenset(
    {
        *("PROTO", "FRAME", "MARK", "STOP", "NONE", "NEWTRUE", "NEWFALSE"),
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        *("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("SETITEM", "SETITEMS", "APPEND", "APPENDS", "MEMOIZE", "BINPUT", "BINGET"),
    }
)


def read_index(segment: Path) -> dict[str, "NDArray[np.float32]"]:
    """Return the persisted vectors by id; none when the segment was never persisted.

    DeltaRejected when the files contradict each other or the pickle holds more than plain data.
    """
    if not (segment / _LABELS_FILE).is_file():
        return {}
    labels = _labels((segment / _LABELS_FILE).read_bytes())
    if not labels:
        return {}
    try:
        layout = read_layout(segment)
        data = (segment / ELEMENTS).read_bytes()
    except FileNotFoundError as error:
        raise DeltaRejected(f"the vector index is incomplete: {error}") from error
    except ValueError as error:
        raise DeltaRejected(f"the vector index is broken: {error}") from error
    return _vectors(layout, data, labels)


def _vectors(
    layout: Layout, data: bytes, labels: dict[str, int]
) -> dict[str, "NDArray[np.float32]"]:
    count, width = layout.count, layout.width
    label_at, vector_at = layout.label_at, layout.vector_at
    if count * width > len(data):
        raise DeltaRejected("the vector index is shorter than its header says")
    if (label_at - vector_at) % 4:
        raise DeltaRejected("the vector index holds no float32 vectors")
    elements = np.frombuffer(data, dtype=np.uint8, count=count * width).reshape(count, width)
    stored = elements[:, label_at:].copy().view("<u8").ravel().tolist()
    rows = {label: row for row, label in enumerate(stored)}
    vectors = elements[:, vector_at:label_at].copy().view("<f4")
    missing = [id_ for id_, label in labels.items() if label not in rows]
    if missing:
        raise DeltaRejected(f"the vector index lacks {len(missing)} records, so {missing[0]!r}")
    return {id_: vectors[rows[label]] for id_, label in labels.items()}


def _labels(pickled: bytes) -> dict[str, int]:
    """Return id to label from the pickle, after every one of its opcodes was found to be plain."""
    try:
        strange = [
            f"{opcode.name} at byte {at}"
            for opcode, _, at in pickletools.genops(pickled)
            if opcode.name not in _PLAIN
        ]
        labels = {} if strange else _PlainUnpickler(io.BytesIO(pickled)).load()["id_to_label"]
        plain = all(type(id_) is str and type(label) is int for id_, label in labels.items())
    except Exception as error:  # a broken pickle may raise anything
        raise DeltaRejected(f"{_LABELS_FILE} is unreadable: {error!r}") from error
    if strange:
        raise DeltaRejected(f"{_LABELS_FILE} holds {strange[0]}: only plain data is read")
    if not plain:
        raise DeltaRejected(f"{_LABELS_FILE}: id_to_label does not map ids to numbers")
    return dict(labels)


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles containers, text and numbers; asked for a class or function it refuses."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise DeltaRejected(f"{_LABELS_FILE} names {module}.{name}: only plain data is read")

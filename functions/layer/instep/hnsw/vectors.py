"""The vectors of a persisted index, read as plain numbers and without its links.

The layout is hnswlib's (`layout`): an element of `data_level0.bin` ends in vector and label;
`index_metadata.pickle` maps ids to labels. In the space cosine an element's vector is a direction,
and its length is in `length.bin`; in others that file holds nothing. Every offset is checked
against the file before it is used, and the pickle may hold plain data only: they may be anybody's.
chromadb before 1.0 pickles an object of one class instead of a dictionary: what is read of it is
its attributes, held by a class of ours that can do nothing.
"""

import io
import pickle
import pickletools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from instep.hnsw.layout import ELEMENTS, LABELS, LENGTHS, Layout, read_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PLAIN: Final = frozenset(
    {
        *("PROTO", "FRAME", "MARK", "STOP", "NONE", "NEWTRUE", "NEWFALSE"),
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        *("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("SETITEM", "SETITEMS", "APPEND", "APPENDS", "MEMOIZE"),
        *("BINPUT", "BINGET", "LONG_BINPUT", "LONG_BINGET"),
        *("STACK_GLOBAL", "NEWOBJ", "BUILD"),  # an object: of which class, `_PlainUnpickler` says
    }
)
_OBJECT: Final = ("chromadb.segment.impl.vector.local_persistent_hnsw", "PersistentData")


class IndexBroken(ValueError):
    """The files contradict each other, or hold more than plain data; the message says how."""


def read_vectors(
    segment: Path, ids: Collection[str] | None = None, *, cosine: bool = False
) -> dict[str, "NDArray[np.float32]"]:
    """Return the persisted vectors by id: of those ids that have one, or of all.

    `cosine`: that is the collection's space. None when the segment was never persisted.
    Raises IndexBroken.
    """
    labels = _labels(segment)
    chosen = labels if ids is None else {id_: labels[id_] for id_ in ids if id_ in labels}
    if not chosen:
        return {}
    try:
        layout = read_layout(segment)
        elements = _elements(segment / ELEMENTS, layout)
        lengths = _lengths(segment / LENGTHS, layout) if cosine else None
    except FileNotFoundError as error:
        raise IndexBroken(f"the vector index is incomplete: {error}") from error
    except ValueError as error:
        raise IndexBroken(f"the vector index is broken: {error}") from error
    return _vectors(layout, elements, lengths, chosen)


def last_seq_id(segment: Path) -> int | None:
    """Return the number of the last log record the index has, as chromadb before 0.6 kept it here.

    None where it did not: then the table `max_seq_id` says it. Raises IndexBroken.
    """
    found = _pickled(segment).get("max_seq_id")
    return found if type(found) is int else None


def _elements(path: Path, layout: Layout) -> "NDArray[np.uint8]":
    """Map the elements into memory, a row each."""
    if layout.count * layout.width > path.stat().st_size:
        raise ValueError("it is shorter than its header says")
    if (layout.label_at - layout.vector_at) % 4:
        raise ValueError("it holds no float32 vectors")
    shape = (layout.count, layout.width)
    return np.memmap(path, np.uint8, "r", shape=shape) if layout.count else np.empty(shape, "u1")


def _lengths(path: Path, layout: Layout) -> "NDArray[np.float32]":
    """Read how long each element's vector was, a float each."""
    read = np.fromfile(path, "<f4", layout.count)
    if len(read) < layout.count:
        raise ValueError(f"{LENGTHS} is shorter than its header says")
    return read


def _vectors(
    layout: Layout,
    elements: "NDArray[np.uint8]",
    lengths: "NDArray[np.float32] | None",
    chosen: dict[str, int],
) -> dict[str, "NDArray[np.float32]"]:
    stored = elements[:, layout.label_at :].copy().view("<u8").ravel().tolist()
    rows = {label: row for row, label in enumerate(stored)}
    missing = [id_ for id_, label in chosen.items() if label not in rows]
    if missing:
        raise IndexBroken(f"the vector index lacks {len(missing)} records, so {missing[0]!r}")
    wanted = [rows[label] for label in chosen.values()]
    vectors = elements[wanted][:, layout.vector_at : layout.label_at].copy().view("<f4")
    if lengths is not None:
        vectors *= lengths[wanted, None]
    return dict(zip(chosen, vectors, strict=True))


def _labels(segment: Path) -> dict[str, int]:
    """Return id to label, empty when the segment was never persisted."""
    labels = _pickled(segment).get("id_to_label", {})
    if not isinstance(labels, dict) or not all(
        type(id_) is str and type(label) is int for id_, label in labels.items()
    ):
        raise IndexBroken(f"{LABELS}: id_to_label does not map ids to numbers")
    return labels


def _pickled(segment: Path) -> Mapping[str, Any]:
    """Return what the pickle says, after every one of its opcodes was found to be plain."""
    if not (segment / LABELS).is_file():
        return {}
    pickled = (segment / LABELS).read_bytes()
    try:
        strange = [
            f"{opcode.name} at byte {at}"
            for opcode, _, at in pickletools.genops(pickled)
            if opcode.name not in _PLAIN
        ]
        found = {} if strange else _PlainUnpickler(io.BytesIO(pickled)).load()
        said = found if isinstance(found, dict) else vars(found)
    except IndexBroken:
        raise
    except Exception as error:  # a broken pickle may raise anything
        raise IndexBroken(f"{LABELS} is unreadable: {error!r}") from error
    if strange:
        raise IndexBroken(f"{LABELS} holds {strange[0]}: only plain data is read")
    if "id_to_label" not in said:
        raise IndexBroken(f"{LABELS} has no id_to_label")
    return said


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles containers, text and numbers; asked for another class or function it refuses."""

    def find_class(self, module: str, name: str) -> type:
        if (module, name) != _OBJECT:
            raise IndexBroken(f"{LABELS} names {module}.{name}: only plain data is read")
        return type(name, (), {})  # a new one each time: what is set on it, nobody else sees

"""Which element of a persisted index belongs to which id: `index_metadata.pickle`, as plain data.

The pickle may be anybody's, so each of its opcodes is looked at before any runs. Allowed is what
chromadb from 0.4.24 on writes: maps of texts to numbers, in one dictionary or in an object of one
class, of which the attributes are read and which is held by a class of ours that can do nothing.
Some harmless ones cost more than they weigh and are bounded: each map takes 64 bytes for its one, a
number for the memo makes room for so many entries, a tuple of tuples as a key is hashed for ever.
"""

import io
import pickle
import pickletools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from instep.hnsw.layout import LABELS, IndexBroken, layout_of

_PLAIN: Final = frozenset(
    {
        *("PROTO", "FRAME", "MARK", "STOP", "NONE"),
        *("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE"),
        *("EMPTY_DICT", "SETITEM", "SETITEMS"),
        *("MEMOIZE", "BINPUT", "BINGET", "LONG_BINPUT", "LONG_BINGET"),
        *("STACK_GLOBAL", "EMPTY_TUPLE", "NEWOBJ", "BUILD"),  # an object: see `_PlainUnpickler`
    }
)
_OBJECT: Final = ("chromadb.segment.impl.vector.local_persistent_hnsw", "PersistentData")
_SCARCE: Final = {"EMPTY_DICT": 16, "STACK_GLOBAL": 1, "EMPTY_TUPLE": 1, "NEWOBJ": 1, "BUILD": 1}
_MOST: Final = 16  # opcodes an element: it is in three maps, each key and value put into the memo
_SPARE: Final = 100
_INT64: Final = 1 << 63


def read_labels(segment: Path) -> dict[str, int]:
    """Return id to label, empty when the segment was never persisted. Raises IndexBroken."""
    labels = _pickled(segment).get("id_to_label", {})
    if not isinstance(labels, dict) or not all(
        type(id_) is str and type(label) is int for id_, label in labels.items()
    ):
        raise IndexBroken(f"{LABELS}: id_to_label does not map ids to numbers")
    return labels


def last_seq_id(segment: Path) -> int | None:
    """Return the number of the last log record the index has, as chromadb before 0.6 kept it here.

    None where it did not: then the table `max_seq_id` says it. Raises IndexBroken.
    """
    found = _pickled(segment).get("max_seq_id")
    return found if type(found) is int else None


def _pickled(segment: Path) -> Mapping[str, Any]:
    """Return what the pickle says, after every one of its opcodes was found to be plain."""
    if not (segment / LABELS).is_file():
        return {}
    most = _MOST * layout_of(segment).count + _SPARE  # so its labels cost what its vectors weigh
    pickled = (segment / LABELS).read_bytes()
    try:
        _check_plain(pickled, most)
        found = _PlainUnpickler(io.BytesIO(pickled)).load()
        said = found if isinstance(found, dict) else vars(found)
    except IndexBroken:
        raise
    except Exception as error:  # a broken pickle may raise anything
        raise IndexBroken(f"{LABELS} is unreadable: {error!r}") from error
    if "id_to_label" not in said:
        raise IndexBroken(f"{LABELS} has no id_to_label")
    return said


def _check_plain(pickled: bytes, most: int) -> None:
    counted: Counter[str] = Counter()
    for number, (opcode, argument, at) in enumerate(pickletools.genops(pickled)):
        name = opcode.name
        if name not in _PLAIN:
            raise IndexBroken(f"{LABELS} holds {name} at byte {at}: only plain data is read")
        if number > most:
            raise IndexBroken(f"{LABELS} says more than {most} elements need")
        if name in _SCARCE:
            counted[name] += 1
            if counted[name] > _SCARCE[name]:
                raise IndexBroken(f"{LABELS} has more than {_SCARCE[name]} of {name}")
        if isinstance(argument, int) and not _within(name, argument, number):
            raise IndexBroken(f"{LABELS}: {name} {argument} at byte {at} is beyond reason")


def _within(name: str, argument: int, number: int) -> bool:
    """Say whether a number may stand there: an entry of the memo is one of those put before."""
    return argument <= number if name.endswith("PUT") else -_INT64 <= argument < _INT64


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles containers, text and numbers; asked for another class or function it refuses."""

    def find_class(self, module: str, name: str) -> type:
        if (module, name) != _OBJECT:
            raise IndexBroken(f"{LABELS} names {module}.{name}: only plain data is read")
        return type(name, (), {})  # a new one each time: what is set on it, nobody else sees

"""Which label an index gives to which id: `index_metadata.pickle`, read without unpickling it.

A pickle is a program, and a short one may call a function, fill the memory or never end. So it is
followed word by word by a machine that knows texts, whole numbers, None and dictionaries of them,
and no other word: it does at most one small thing a byte. chromadb before 1.0 pickles an object of
one class instead of a dictionary; here it is the dictionary of its attributes.
"""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from instep.chroma.hnsw.layout import LABELS

_OBJECT: Final = ("chromadb.segment.impl.vector.local_persistent_hnsw", "PersistentData")
_MOST_DICTIONARIES: Final = 8  # chromadb writes four; an empty one takes 64 times its byte
_STOP: Final = ord(".")


class IndexBroken(ValueError):
    """The files contradict each other, or hold more than plain data; the message says how."""


def read_labels(segment: Path) -> Mapping[str, Any]:
    """Return what the file says by its names, `id_to_label` among them; empty without a file.

    Raises IndexBroken.
    """
    if not (segment / LABELS).is_file():
        return {}
    machine = _Machine((segment / LABELS).read_bytes())
    try:
        said = machine.run()
    except IndexBroken:
        raise
    except (AttributeError, LookupError, ValueError, TypeError, struct.error) as error:
        raise IndexBroken(f"{LABELS} is unreadable at byte {machine.at}: {error!r}") from error
    labels = said.get("id_to_label") if isinstance(said, dict) else None
    if not isinstance(labels, dict) or not all(
        type(id_) is str and type(label) is int for id_, label in labels.items()
    ):
        raise IndexBroken(f"{LABELS}: id_to_label does not map ids to numbers")
    if len(set(labels.values())) < len(labels):
        raise IndexBroken(f"{LABELS} gives several ids one label")
    return said  # type: ignore[no-any-return]


class _Machine:
    """Pickle's stack machine, as much of it as chromadb's own pickles need."""

    def __init__(self, program: bytes) -> None:
        self._program = program
        self.at = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []  # where on the stack a group of items begins
        self._memo: list[Any] = []
        self._dictionaries = 0

    def run(self) -> Any:
        """Return what the program makes."""
        while (word := self._program[self.at]) != _STOP:
            act = _WORDS.get(word)
            if act is None:
                raise IndexBroken(
                    f"{LABELS} has {bytes([word])!r} at byte {self.at}: only plain data is read"
                )
            self.at += 1
            act(self)
        return self._stack.pop()

    def _read(self, size: int) -> bytes:
        found = self._program[self.at : self.at + size]
        if len(found) < size:
            raise ValueError("it ends too early")
        self.at += size
        return found

    def _unpack(self, form: struct.Struct) -> int:
        (number,) = form.unpack_from(self._program, self.at)
        self.at += form.size
        return int(number)

    def _number(self, form: struct.Struct) -> None:
        self._stack.append(self._unpack(form))

    def _long(self) -> None:
        size = self._unpack(_U1)
        if size > 8:  # larger ones may all have one hash
            raise ValueError("a number beyond 64 bits")
        self._stack.append(int.from_bytes(self._read(size), "little", signed=True))

    def _text(self, form: struct.Struct) -> None:
        self._stack.append(self._read(self._unpack(form)).decode())

    def _dictionary(self) -> None:
        self._dictionaries += 1
        if self._dictionaries > _MOST_DICTIONARIES:
            raise ValueError(f"more than {_MOST_DICTIONARIES} dictionaries")
        self._stack.append({})

    def _items(self) -> None:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        keys = items[::2]
        if not all(type(key) is str or type(key) is int for key in keys):
            raise TypeError("a key that is neither a text nor a number")
        self._stack[-1].update(zip(keys, items[1::2], strict=True))

    def _item(self) -> None:
        self._marks.append(len(self._stack) - 2)
        self._items()

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _remember(self) -> None:
        self._memo.append(self._stack[-1])

    def _remember_as(self, form: struct.Struct) -> None:
        number = self._unpack(form)
        if number != len(self._memo):  # they are counted; another would make room up to it
            raise ValueError(f"memo {number} follows {len(self._memo)} of them")
        self._remember()

    def _recall(self, form: struct.Struct) -> None:
        self._stack.append(self._memo[self._unpack(form)])

    def _class(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if (module, name) != _OBJECT:
            raise IndexBroken(
                f"{LABELS} names {module!r:.100} {name!r:.100}: only plain data is read"
            )
        self._stack.append(_OBJECT)

    def _no_arguments(self) -> None:
        self._stack.append(())

    def _object(self) -> None:
        if [self._stack.pop(), self._stack.pop()] != [(), _OBJECT]:
            raise TypeError("an object of no class, or with arguments")
        self._dictionary()

    def _attributes(self) -> None:
        attributes = self._stack.pop()
        self._stack[-1].update(attributes)


_U1, _U2, _U4, _I4, _U8 = (struct.Struct(form) for form in ("<B", "<H", "<I", "<i", "<Q"))
_Act: TypeAlias = Callable[[_Machine], object]
_WORDS: Final[Mapping[int, _Act]] = {
    ord(word): act
    for word, act in {
        "\x80": lambda machine: machine._read(1),  # the protocol
        "\x95": lambda machine: machine._read(8),  # how long a frame is
        "N": lambda machine: machine._stack.append(None),
        "K": lambda machine: machine._number(_U1),
        "M": lambda machine: machine._number(_U2),
        "J": lambda machine: machine._number(_I4),
        "\x8a": _Machine._long,
        "\x8c": lambda machine: machine._text(_U1),
        "X": lambda machine: machine._text(_U4),
        "}": _Machine._dictionary,
        "(": _Machine._mark,
        "s": _Machine._item,
        "u": _Machine._items,
        "\x94": _Machine._remember,
        "q": lambda machine: machine._remember_as(_U1),
        "r": lambda machine: machine._remember_as(_U4),
        "h": lambda machine: machine._recall(_U1),
        "j": lambda machine: machine._recall(_U4),
        "\x93": _Machine._class,
        ")": _Machine._no_arguments,
        "\x81": _Machine._object,
        "b": _Machine._attributes,
    }.items()
}

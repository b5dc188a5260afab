"""What chromadb carries: judged once for every domain, one item at a time, before it is written.

chromadb 1.5.9 judges a whole call at once, and not all of it: a number that is none is dropped
without a word, an int beyond 64 bits becomes a float, a key `chroma:…` vanishes; and a list with a
number that is none goes into its log, where nobody can read it again, nor anything behind it. So
what is accepted here is read back equal, and what is refused is refused or bent there
(tests/unit/snapshot/test_carriable.py asks the real one).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from instep.difference import Addition, Changes, Update

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST: Final = 2**63 - 1
_SMALLEST: Final = -(2**63)
_RESERVED: Final = ("#", "$", "chroma:")  # how chromadb's own keys and operators begin
_SHOWN: Final = 80  # characters of a bad value in its reason


class NotCarriable(ValueError):
    """One item that chromadb refuses or bends; the message is the reason."""


@dataclass(frozen=True)
class Refusal:
    """Why an embedding is set aside. `keys`: only these of its metadata, the rest was written."""

    reason: str
    keys: frozenset[str] = frozenset()

    def __add__(self, other: "Refusal") -> "Refusal":
        """Return both reasons as one; what is set aside whole stays so."""
        whole = not (self.keys and other.keys)
        return Refusal(
            f"{self.reason}; {other.reason}", frozenset() if whole else self.keys | other.keys
        )


def sift(changes: Changes, dimension: int | None) -> tuple[Changes, dict[str, Refusal]]:
    """Return what of the changes chromadb carries, and by id why the rest is set aside.

    `dimension` is the collection's, None while it holds no vector: then the first good one decides.
    Of an update only the fields at fault are set aside; an addition is all or nothing. Vectors of
    what is returned are float32.
    """
    refused: dict[str, Refusal] = {}
    updates: dict[str, Update] = {}
    adds: dict[str, Addition] = {}
    for id_, update in changes.updates.items():
        try:
            kept, wrong = _sifted(id_, update)
        except NotCarriable as error:
            refused[id_] = Refusal(str(error))
            continue
        if wrong:
            refused[id_] = _refusal(wrong)
        if kept.metadata or kept.document is not None:
            updates[id_] = kept
    for id_, add in changes.adds.items():
        try:
            adds[id_] = _whole(id_, add, dimension)
        except NotCarriable as error:
            refused[id_] = Refusal(str(error))
        else:
            dimension = dimension or len(adds[id_].embedding)
    return Changes(updates, adds, changes.deletes), refused


def is_id(id_: object) -> bool:
    """Say whether chromadb takes this as an id: a text of at least one character."""
    return is_text(id_) and bool(id_)


def check_id(id_: object) -> None:
    """Raise NotCarriable for what is no id."""
    if not is_id(id_):
        raise NotCarriable(f"the id {_shown(id_)} is no text of at least one character")


def check_document(document: object) -> None:
    """Raise NotCarriable for what chromadb does not take as a document; None is none."""
    if document is not None and not is_text(document):
        raise NotCarriable(f"the document {_shown(document)} is no text")


def wrong_fields(fields: Mapping[Any, Any]) -> dict[Any, str]:
    """Return by key what is wrong with those fields that chromadb does not carry."""
    wrong = {}
    for key, value in fields.items():
        why = _wrong_key(key) or _wrong_value(value)
        if why is not None:
            wrong[key] = why
    return wrong


def as_vector(embedding: object, dimension: int | None) -> "NDArray[np.float32]":
    """Return a vector as chromadb stores it, float32.

    NotCarriable when it is no list of finite numbers within float32, or not of `dimension` ones.
    """
    try:
        numbers = np.asarray(embedding)
    except (ValueError, TypeError, OverflowError) as error:
        raise NotCarriable(f"the vector is no list of numbers: {error}") from error
    if numbers.dtype.kind not in "fiu" or numbers.ndim != 1 or not numbers.size:
        raise NotCarriable(f"the vector is no list of numbers: {_shown(embedding)}")
    if dimension is not None and numbers.size != dimension:
        raise NotCarriable(f"the vector has {numbers.size} numbers, the collection's {dimension}")
    with np.errstate(over="ignore"):
        floats = numbers.astype(np.float32, copy=False)
    if not np.isfinite(floats).all():
        raise NotCarriable("the vector has numbers that are NaN, infinite or beyond float32")
    return floats


def is_text(value: object) -> bool:
    """Say whether a value is a plain string that UTF-8 can write: no half of a surrogate pair."""
    if type(value) is not str:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sifted(id_: str, update: Update) -> tuple[Update, dict[Any, str]]:
    check_id(id_)
    check_document(update.document)
    wrong = wrong_fields(update.metadata)
    if not wrong:
        return update, wrong
    right = {key: value for key, value in update.metadata.items() if key not in wrong}
    return Update(right, update.document), wrong


def _whole(id_: str, add: Addition, dimension: int | None) -> Addition:
    check_id(id_)
    check_document(add.document)
    if wrong := wrong_fields(add.metadata):
        raise NotCarriable(_refusal(wrong).reason)
    return Addition(as_vector(add.embedding, dimension), add.metadata, add.document)


def _refusal(wrong: Mapping[Any, str]) -> Refusal:
    reason = "; ".join(f"{_shown(key)}: {why}" for key, why in wrong.items())
    return Refusal(reason, frozenset(map(str, wrong)))


def _wrong_key(key: object) -> str | None:
    if not is_text(key):
        return "the key is no text"
    if not key or str(key).startswith(_RESERVED):
        return f"a key may not be empty or begin with {', '.join(_RESERVED)}"
    return None


def _wrong_value(value: Any) -> str | None:
    """Say what is wrong with a value; types are exact, for chromadb gives back the plain one."""
    kind = type(value)
    if kind is str:
        return None if is_text(value) else f"{_shown(value)} cannot be written in UTF-8"
    if kind is bool or value is None:
        return None
    if kind is not list:
        return _wrong_number(value)
    kinds = {type(one) for one in value}
    if len(kinds) != 1 or not kinds <= {str, bool, int, float}:
        return f"{_shown(value)} is no list of strings, of bools, of ints or of floats"
    return next((why for why in map(_wrong_value, value) if why is not None), None)


def _wrong_number(value: Any) -> str | None:
    kind = type(value)
    if kind is int:
        within = _SMALLEST <= value <= _LARGEST
        return None if within else f"{_shown(value)} is an int beyond 64 bits"
    if kind is float:
        return None if math.isfinite(value) else f"{value} is no finite number"
    return f"{_shown(value)} is a {kind.__name__}, no str, bool, int, float or list of one of them"


def _shown(value: object) -> str:
    """Show a value within bounds, whatever its own repr does."""
    try:
        text = ascii(value)
    except Exception as error:  # noqa: BLE001 - the repr of an unknown type may raise anything
        text = f"<{type(value).__name__}: {type(error).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

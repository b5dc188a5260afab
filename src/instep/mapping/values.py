"""What an attribute is worth: as a metadata field of the type declared, in a template, as a vector.

A number of DynamoDB has up to 38 digits, and Chroma knows 64-bit ints and doubles: only what is
declared float, or number, may be rounded. Sets have no order, so they become sorted lists; an empty
list is no value, for Chroma has none.
"""

import base64
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from instep.chroma.carriable import NotCarriable, as_vector
from instep.difference import Value, Vector
from instep.mapping.attributes import Attribute, ItemRefused, read

FieldType: TypeAlias = Literal[
    "text", "int", "float", "number", "bool", "list of text", "list of numbers"
]
Encoding: TypeAlias = Literal["float32", "float16"]

FIELD_TYPES: Final[tuple[FieldType, ...]] = get_args(FieldType)
ENCODINGS: Final[tuple[Encoding, ...]] = get_args(Encoding)
_BYTES: Final[Mapping[Encoding, str]] = {"float32": "<f4", "float16": "<f2"}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,200}(\.[0-9]{1,200})?([eE][+-]?[0-9]{1,4})?")
_DIGITS: Final = 19  # that an int of 64 bits may have
_INTS: Final = range(-(2**63), 2**63)


def value_of(attribute: Attribute, declared: FieldType) -> Value | None:
    """Return what a metadata field of this type carries; None when there is nothing to carry.

    ItemRefused when the attribute is of another type, or no such value.
    """
    return _AS[declared](attribute)


def in_words(attribute: Attribute) -> str | None:
    """Return an attribute as a template writes it; None for an empty list.

    ItemRefused for maps and binaries, and lists of them.
    """
    if attribute.kind in {"L", "SS", "NS"}:
        words = [in_words(one) or "" for one in _members(attribute)]
        return ", ".join(words) or None
    if attribute.kind == "BOOL":
        return "true" if attribute.value else "false"
    if attribute.kind == "N":
        exact(attribute)
    if attribute.kind in {"S", "N"}:
        return str(attribute.value)
    raise attribute.refused("and a template takes texts, numbers, bools and lists of them")


def exact(attribute: Attribute) -> Decimal:
    """Return a number as DynamoDB has it."""
    if attribute.kind != "N":
        raise attribute.refused("expected a number")
    if not _NUMBER.fullmatch(attribute.value):
        raise ItemRefused(f"{attribute.name} is no number")
    return Decimal(attribute.value)


def vector_of(attribute: Attribute, encoding: Encoding | None) -> Vector:
    """Return a vector: a list of numbers, or with an encoding a binary of little-endian floats.

    ItemRefused for any other attribute, and for numbers that are none, infinite or beyond float32.
    """
    try:
        if encoding is None:
            return as_vector(_floats(attribute), None)
        return as_vector(np.frombuffer(_bytes(attribute), _BYTES[encoding]), None)
    except NotCarriable as error:
        raise ItemRefused(f"{attribute.name}, its vector, is no list of finite floats") from error
    except (ValueError, OverflowError) as error:
        if isinstance(error, ItemRefused):
            raise
        as_what = f"a binary of {encoding}" if encoding else "a list of numbers"
        raise ItemRefused(f"{attribute.name}, its vector, is not {as_what}") from error


def _text(attribute: Attribute) -> str:
    if attribute.kind != "S":
        raise attribute.refused("expected a text")
    return str(attribute.value)


def _bool(attribute: Attribute) -> bool:
    if attribute.kind != "BOOL":
        raise attribute.refused("expected a bool")
    return bool(attribute.value)


def _int(attribute: Attribute) -> int:
    whole = _whole(exact(attribute))
    if whole is None:
        raise ItemRefused(f"{attribute.name} is declared int, and no whole number within 64 bits")
    return whole


def _float(attribute: Attribute) -> float:
    rounded = float(exact(attribute))
    if not math.isfinite(rounded):
        raise ItemRefused(f"{attribute.name} is beyond what a float holds")
    return rounded


def _number(attribute: Attribute) -> int | float:
    whole = _whole(exact(attribute))
    return _float(attribute) if whole is None else whole


def _texts(attribute: Attribute) -> list[str] | None:
    if attribute.kind not in {"L", "SS"}:
        raise attribute.refused("expected a list of text")
    return [_text(one) for one in _members(attribute)] or None


def _numbers(attribute: Attribute) -> list[int] | list[float] | None:
    """Return ints when all are, else floats: Chroma takes no list of both."""
    if attribute.kind not in {"L", "NS"}:
        raise attribute.refused("expected a list of numbers")
    members = _members(attribute)
    ints = [whole for whole in map(_whole, map(exact, members)) if whole is not None]
    return (ints if len(ints) == len(members) else [_float(one) for one in members]) or None


def _whole(number: Decimal) -> int | None:
    """Return a number as an int of 64 bits, if it is one; never spells out a huge exponent."""
    if number.adjusted() >= _DIGITS or int(number) != number:
        return None
    return int(number) if int(number) in _INTS else None


def _members(attribute: Attribute) -> list[Attribute]:
    """Return the members of a list, or of a set in their order."""
    name = f"a member of {attribute.name}"
    if attribute.kind == "L":
        found = [read(one, name) for one in attribute.value]
        if None in found:
            raise ItemRefused(f"{name} is NULL")
        return [one for one in found if one is not None]
    members = [read({attribute.kind[0]: one}, name) for one in attribute.value]
    present = [one for one in members if one is not None]
    by_value: Callable[[Attribute], Any] = exact if attribute.kind == "NS" else _text
    return sorted(present, key=by_value)


def _floats(attribute: Attribute) -> list[float]:
    """Return a list's numbers; the quick way, for there are thousands of them."""
    if attribute.kind != "L":
        raise attribute.refused("expected a list of numbers, its vector")
    try:
        return [float(one["N"]) for one in attribute.value]
    except (KeyError, TypeError) as error:
        raise ItemRefused(f"{attribute.name}, its vector, is not a list of numbers") from error


def _bytes(attribute: Attribute) -> bytes:
    if attribute.kind != "B":
        raise attribute.refused("expected a binary, its vector")
    value = attribute.value
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


_AS: Final[Mapping[FieldType, Callable[[Attribute], Value | None]]] = {
    "text": _text,
    "int": _int,
    "float": _float,
    "number": _number,
    "bool": _bool,
    "list of text": _texts,
    "list of numbers": _numbers,
}

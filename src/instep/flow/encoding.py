"""A record as the JSON text that SQS takes, and what is left of one that is too large for that.

SQS takes U+0009, A, D, 20 to D7FF, E000 to FFFD and 10000 to 10FFFF, and counts UTF-8 bytes (API
reference, SendMessage). So text stays as it is, which for most scripts is half of its escapes, and
only what SQS refuses is escaped: JSON does that to control characters anyway.
"""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_REFUSED: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")
# What a cut keeps: characters of a text, members of an object or list, levels. Each try keeps less;
# the first keeps the longest key of DynamoDB (2,048 bytes) and every level it can hold.
_TRIES: Final = ((4096, 256, 40), (512, 64, 12), (64, 16, 6))
_ENDS: Final = 1000
_CUT_BYTES: Final = 200_000


class Json(str):
    """A record as the text it travels in: it passes through unread, in a tenth of the memory."""

    __slots__ = ()


class TooDeep(ValueError):
    """The record is nested deeper than JSON can be written."""


def encode(record: "Mapping[str, Any] | Json") -> Json:
    """Return a record as compact JSON whose every character SQS takes; TooDeep for nonsense."""
    if isinstance(record, Json):
        return record
    try:
        text = _ENCODER.encode(record)
    except RecursionError as error:
        raise TooDeep("the record is nested too deeply to be written") from error
    return Json(text if text.isascii() else _REFUSED.sub(_escaped, text))


def written(record: "Mapping[str, Any] | Json") -> Json:
    """Return a record as JSON, whatever it is: cut, if it is nonsense that cannot be written."""
    try:
        return encode(record)
    except TooDeep:
        return cut(record, _CUT_BYTES)


def size_of(text: str) -> int:
    """Return the bytes of a text in UTF-8, as SQS counts them."""
    return len(text) if text.isascii() else len(text.encode())


def cut(record: "Mapping[str, Any] | Json", limit: int) -> Json:
    """Return what names a record and shows what is wrong with it, in at most `limit` bytes (10,000
    or more), with the mark `"cut": {"bytes": N, "sha256": …}` of the record's whole text.

    Long texts keep their two ends, objects and lists their first members.
    """
    try:
        text = encode(record)
        mark: dict[str, Any] = {"bytes": size_of(text), "sha256": sha256(text.encode()).hexdigest()}
    except TooDeep as error:
        text = Json("")
        mark = {"reason": str(error)}
    whole = _read(record) if isinstance(record, Json) else record
    for chars, members, levels in _TRIES:
        short = _short(whole, chars, members, levels)
        found = encode({**(short if isinstance(short, dict) else {"record": short}), "cut": mark})
        if size_of(found) <= limit:
            return found
    return encode({"record": _ends(text, _ENDS), "cut": mark})


def _read(text: Json) -> Any:
    try:
        return json.loads(text)
    except RecursionError:  # written by a caller who had more of the stack left
        return str(text)


def _short(value: Any, chars: int, members: int, levels: int) -> Any:
    if isinstance(value, str):
        return _ends(value, chars)
    if not isinstance(value, Mapping | list):
        return value
    if levels == 0:
        return "…"
    more = len(value) - members
    if isinstance(value, list):
        kept = [_short(one, chars, members, levels - 1) for one in value[:members]]
        return [*kept, f"… {more} more"] if more > 0 else kept
    named = {
        _ends(str(name), chars): _short(value[name], chars, members, levels - 1)
        for name, _ in zip(value, range(members), strict=False)
    }
    return named | {"…": f"{more} more"} if more > 0 else named


def _ends(text: str, chars: int) -> str:
    half = chars // 2
    return text if len(text) <= chars else f"{text[:half]}…{text[-half:]}"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"

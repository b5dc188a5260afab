"""The small JSON files of the store: written canonically, with a checksum of themselves inside.

A flipped bit anywhere in HEAD or a manifest is then noticed before a word of it is believed.
"""

import json
import reprlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from instep.errors import SnapshotUnsupported

FORMAT: Final = 1
MISREAD: Final = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What reading fields of JSON raises when it is other JSON than was expected."""
_SHOWN: Final = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 100


class DocumentDamaged(ValueError):
    """The bytes are no document of ours, or no longer what was written."""


def write(kind: str, content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a document of this kind, in the current format."""
    body = _canonical(content)
    return b'{"format":%d,"kind":"%b","sha256":"%b","content":%b}\n' % (
        FORMAT,
        kind.encode(),
        sha256(body).hexdigest().encode(),
        body,
    )


def read(kind: str, body: bytes) -> dict[str, Any]:
    """Return the content; DocumentDamaged, or SnapshotUnsupported for another format."""
    try:
        document = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DocumentDamaged("it is not JSON, or cut off") from error
    if not isinstance(document, dict) or not isinstance(document.get("content"), dict):
        raise DocumentDamaged("it is no document of this store")
    if document.get("kind") != kind:
        raise DocumentDamaged(f"it is a {shown(document.get('kind'))}, not a {kind!r}")
    if document.get("format") != FORMAT:
        raise SnapshotUnsupported(
            f"a {kind} of format {shown(document.get('format'))}; this release reads format "
            f"{FORMAT}: use the release that wrote it, or a newer one"
        )
    content: dict[str, Any] = document["content"]
    try:
        checksum = sha256(_canonical(content)).hexdigest()
    except RecursionError as error:
        raise DocumentDamaged("it nests deeper than anything that was ever written") from error
    if checksum != document.get("sha256"):
        raise DocumentDamaged("its checksum does not match its content")
    return content


def shown(value: object) -> str:
    """Return a foreign value as a message can carry it: short, whatever its size or depth."""
    return _SHOWN.repr(value)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON's")


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

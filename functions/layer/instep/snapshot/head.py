"""HEAD, the one mutable name of a collection: read with its witness, moved by compare-and-swap.

The rule is docs/design.md, "Snapshot store": HEAD names a version, carries the last fencing token,
and never repeats its bytes, since no two versions share an id.
"""

from dataclasses import dataclass
from typing import Any, Final

from instep.errors import SnapshotCorrupt
from instep.objects import Fetched, Lost, Objects, ObjectTooLarge, Written
from instep.snapshot import document
from instep.snapshot.document import DocumentDamaged
from instep.snapshot.manifest import require, version_id

MAX_HEAD_BYTES: Final = 64 << 10
_KIND: Final = "head"


@dataclass(frozen=True)
class Head:
    """Where a collection stands; `etag` is the witness a compare-and-swap must present."""

    version: str
    fencing_token: int
    watermark: str | None
    etag: str = ""


def head_key(collection: str) -> str:
    """Return the key of a collection's HEAD."""
    return f"{collection}/HEAD"


def read_head(objects: Objects, collection: str) -> Head | None:
    """Return HEAD, None for a collection without versions; SnapshotCorrupt when damaged."""
    key = head_key(collection)
    try:
        fetched = objects.find(key, limit=MAX_HEAD_BYTES)
    except ObjectTooLarge as error:
        raise SnapshotCorrupt(collection, str(error)) from error
    return None if fetched is None else _parse(collection, fetched)


def move_head(
    objects: Objects, collection: str, *, to: Head, witness: str | None
) -> Head | Written | None:
    """Let HEAD name `to` if it still is what `witness` (None: nothing) names.

    Returns Written, or the HEAD that was there instead. StorageUnavailable: either may be true.
    """
    key = head_key(collection)
    body = document.write(
        _KIND,
        {
            "collection": collection,
            "version": to.version,
            "fencing_token": to.fencing_token,
            "watermark": to.watermark,
        },
    )
    answer = objects.replace(key, body, witness) if witness else objects.create(key, body)
    if isinstance(answer, Lost):
        return None if answer.current is None else _parse(collection, answer.current)
    return answer


def _parse(collection: str, fetched: Fetched) -> Head:
    try:
        content: dict[str, Any] = document.read(_KIND, fetched.body)
        require(content["collection"] == collection, f"of {content['collection']!r}")
        head = Head(
            version=version_id(content["version"]),
            fencing_token=int(content["fencing_token"]),
            watermark=content["watermark"],
            etag=fetched.etag,
        )
    except (DocumentDamaged, KeyError, TypeError, ValueError) as error:
        raise SnapshotCorrupt(collection, f"{head_key(collection)} is damaged: {error}") from error
    return head

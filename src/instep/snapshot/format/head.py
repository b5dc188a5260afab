"""HEAD, the one mutable name of a collection: read with its witness, moved by compare-and-swap.

The rule is docs/design.md, "Snapshot store": HEAD names a version, carries the last fencing token
and how fresh the version is, and never repeats its bytes, since no two versions share an id.
"""

from dataclasses import dataclass
from typing import Any, Final

from instep.aws.objects import Fetched, Lost, Objects, ObjectTooLarge, Written
from instep.errors import SnapshotCorrupt
from instep.snapshot.format import document
from instep.snapshot.format.document import shown
from instep.snapshot.format.freshness import Freshness, Lag, instant, time_or_none
from instep.snapshot.format.manifest import natural, require, version_id

MAX_HEAD_BYTES: Final = 64 << 10
_KIND: Final = "head"
_MESSAGE: Final = 300  # characters: Python quotes what it cannot read, whole


@dataclass(frozen=True)
class Head:
    """Where a collection stands; `etag` is the witness a compare-and-swap must present."""

    version: str
    fencing_token: int
    watermark: str | None
    lag: Lag | None = None
    etag: str = ""

    @property
    def freshness(self) -> Freshness:
        """How fresh the version is, as it was published."""
        return Freshness(instant(self.watermark) if self.watermark else None, self.lag)


@dataclass(frozen=True)
class HeadName:
    """Where a HEAD lies: a collection's own, or with `beside` that of its successor, which is being
    built on the same versions and packs and read by nobody yet.
    """

    collection: str
    beside: str = ""

    @property
    def key(self) -> str:
        """Its key in S3."""
        return f"{self.collection}/HEAD{'.' if self.beside else ''}{self.beside}"


def read_head(objects: Objects, name: HeadName) -> Head | None:
    """Return HEAD, None for a collection without versions; SnapshotCorrupt when damaged."""
    try:
        fetched = objects.find(name.key, limit=MAX_HEAD_BYTES)
    except ObjectTooLarge as error:
        raise unusable_head(objects, name, str(error)) from error
    return None if fetched is None else _parse(objects, name, fetched)


def unusable_head(objects: Objects, name: HeadName, what: str) -> SnapshotCorrupt:
    """Return the error for a HEAD that nothing can be read from: a rollback cannot either."""
    key = name.key
    return SnapshotCorrupt(
        name.collection,
        what,
        f"S3 keeps what was overwritten or deleted: remove the newest version of {key} (`aws s3api "
        f"list-object-versions --bucket {objects.bucket} --prefix {objects.prefix}{key}` shows its "
        f"id, `delete-object --version-id` removes it) and HEAD is what it was",
    )


def move_head(
    objects: Objects, name: HeadName, *, to: Head, witness: str | None
) -> Head | Written | None:
    """Let HEAD name `to` if it still is what `witness` (None: nothing) names.

    Returns Written, or the HEAD that was there instead. StorageUnavailable: either may be true.
    """
    key = name.key
    body = document.write(
        _KIND,
        {
            "collection": name.collection,
            "version": to.version,
            "fencing_token": to.fencing_token,
            "watermark": to.watermark,
            "lag": to.lag.to_payload() if to.lag else None,
        },
    )
    answer = objects.replace(key, body, witness) if witness else objects.create(key, body)
    if isinstance(answer, Lost):
        return None if answer.current is None else _parse(objects, name, answer.current)
    return answer


def _parse(objects: Objects, name: HeadName, fetched: Fetched) -> Head:
    try:
        content: dict[str, Any] = document.read(_KIND, fetched.body)
        require(
            content["collection"] == name.collection,
            f"it is that of {shown(content['collection'])}",
        )
        head = Head(
            version=version_id(content["version"]),
            fencing_token=natural(content["fencing_token"]),
            watermark=time_or_none(content["watermark"]),
            lag=Lag.from_payload(content["lag"]) if content.get("lag") else None,
            etag=fetched.etag,
        )
    except document.MISREAD as error:
        what = f"{name.key} is damaged: {str(error)[:_MESSAGE]}"
        raise unusable_head(objects, name, what) from error
    return head

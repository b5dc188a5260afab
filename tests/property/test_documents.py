"""HEAD and a manifest of any content: read, or refused by a named error, and nothing else."""

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instep.errors import SnapshotCorrupt, SnapshotUnsupported
from instep.snapshot.format import document
from instep.snapshot.format.document import DocumentDamaged
from instep.snapshot.format.head import Head, HeadName, read_head
from instep.snapshot.format.manifest import parse
from tests.support.memory import Bucket
from tests.support.odd import as_json, edits

BUCKET: Final = Bucket()
BUCKET.publish()
BUCKET.publish()
HEAD: Final[dict[str, Any]] = json.loads(BUCKET.objects.get(HeadName("words").key).body)
MANIFEST: Final[dict[str, Any]] = json.loads(
    BUCKET.objects.get(BUCKET.store.manifest_key(BUCKET.published[-1])).body
)


def signed(kind: str, content: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """The document with odd content, under a checksum that is right."""
    odd = edits(content).map(json.loads)
    return odd.map(lambda made: document.write(kind, made))


def read(body: bytes) -> Head | None:
    BUCKET.objects.put(HeadName("words").key, body)
    return read_head(BUCKET.objects, HeadName("words"))


def read_or_why(body: bytes) -> Head | str | None:
    """The head, or what the error says that it is refused with."""
    try:
        return read(body)
    except (SnapshotCorrupt, SnapshotUnsupported) as error:
        return str(error)


@given(as_json() | edits(HEAD) | signed("head", HEAD["content"]))
@settings(max_examples=400, deadline=None)
def test_any_head_is_read_or_corrupt(body: bytes) -> None:
    head = read_or_why(body)
    if isinstance(head, str):
        assert len(head) < 2_000, "a message is for a person to read"
        return
    assert head is not None
    assert type(head.fencing_token) is int
    assert BUCKET.store.manifest_key(head.version)
    assert head.freshness.watermark is None or head.freshness.watermark.tzinfo


@given(as_json() | edits(MANIFEST) | signed("version", MANIFEST["content"]))
@settings(max_examples=400, deadline=None)
def test_any_manifest_is_read_or_damaged(body: bytes) -> None:
    try:
        manifest = parse(body)
    except (DocumentDamaged, SnapshotUnsupported):
        return
    assert parse(manifest.to_bytes()) == manifest


def test_the_head_that_was_an_overflow() -> None:
    for token in (float("inf"), float("nan"), 1e400, "7", True, -1):
        body = document.write("head", {**HEAD["content"], "fencing_token": token})
        with pytest.raises(SnapshotCorrupt, match="list-object-versions"):
            read(body)


def test_what_nests_too_deep_is_damaged() -> None:
    for depth in range(200, 1_100, 50):
        nested = "[" * depth + "]" * depth
        for kind in ("head", "version"):
            body = f'{{"format":1,"kind":"{kind}","sha256":"","content":{{"version":{nested}}}}}'
            with pytest.raises(DocumentDamaged):
                document.read(kind, body.encode())

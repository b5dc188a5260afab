"""The version file: what is written is read, and nothing hostile in it is believed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from instep.chroma.sqlite_rows import SQLITE
from instep.errors import SnapshotUnsupported
from instep.snapshot.format import document
from instep.snapshot.format.document import DocumentDamaged
from instep.snapshot.format.freshness import ChangeTimes
from instep.snapshot.format.manifest import Facts, FileEntry, Layer, Manifest, PackRef, parse

V1 = "20260102T030405.000006Z-0123abcd"
V2 = "20260102T030406.000006Z-0123abcd"
BASE = Layer(V1, 8192, "a" * 64, (PackRef("b" * 64, 100, 2),))
NEXT = Layer(V2, 8192, "c" * 64, (PackRef("d" * 64, 10, 1),))
INDEX = "01234567-89ab-cdef-0123-456789abcdef"


def manifest(**changes: Any) -> Manifest:
    given: dict[str, Any] = {
        "collection": "words",
        "version": V2,
        "parent": V1,
        "created_at": "2026-01-02T03:04:06+00:00",
        "writer": "execution",
        "fencing_token": 7,
        "watermark": None,
        "facts": Facts(2, 1, 0, 3, "c"),
        "files": {SQLITE: FileEntry((BASE, NEXT)), f"{INDEX}/header.bin": FileEntry((BASE,))},
        "note": {"labels": 3},
    }
    return Manifest(**(given | changes))


def test_what_is_written_is_read() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    for one in (manifest(), manifest(watermark=at.isoformat(), times=ChangeTimes(3, at, at, at))):
        assert parse(one.to_bytes()) == one
    assert manifest().packs() == {"b" * 64, "d" * 64}
    assert (manifest().files[SQLITE].size, manifest().files[SQLITE].digest) == (8192, "c" * 64)


def files(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["files"].update({name: content["files"][SQLITE]})


def layer(at: int, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["files"][SQLITE][1].__setitem__(at, value)


def pack(at: int, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["files"][SQLITE][1][3][0].__setitem__(at, value)


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a path out of the directory": files("../../etc/passwd"),
    "an absolute path": files("/etc/passwd"),
    "a hidden way up": files(f"{INDEX}/../../header.bin"),
    "a file Chroma does not have": files("chroma.sqlite3-wal"),
    "a second index": files("11234567-89ab-cdef-0123-456789abcdef/header.bin"),
    "no database": lambda content: content["files"].pop(SQLITE),
    "no layers": lambda content: content["files"].update({SQLITE: []}),
    "layers of another kind": lambda content: content["files"].update({SQLITE: {"a": 1}}),
    "a base without a page": lambda content: content["files"][SQLITE][0][3].clear(),
    "a size beyond reason": layer(1, 1 << 50),
    "more growth than its pages": layer(1, 4 * 4096),
    "a negative size": layer(1, -1),
    "a size that is true": layer(1, True),
    "a shrinking increment": layer(1, 4096),
    "an empty increment": layer(3, []),
    "a digest that is none": layer(2, "z" * 64),
    "a version that is a path": layer(0, "../HEAD"),
    "a pack that is a path": pack(0, "../HEAD"),
    "a pack beyond reason": pack(1, 1 << 40),
    "a pack of no bytes": pack(1, 0),
    "a pack of too many pages": pack(2, 1 << 20),
    "a version of another form": lambda content: content.update(version="1/2"),
    "a parent of another form": lambda content: content.update(parent="x"),
    "a token that is text": lambda content: content.update(fencing_token="7"),
    "a watermark that is no time": lambda content: content.update(watermark="yesterday"),
    "a moment that is no time": lambda content: content.update(created_at="then"),
    "times that are a number": lambda content: content.update(times=7),
    "times of nothing": lambda content: content.update(times={"changes": 1}),
    "no facts": lambda content: content.pop("facts"),
    "facts that are a list": lambda content: content.update(facts=[]),
    "a note that is a list": lambda content: content.update(note=[]),
    "files that are a list": lambda content: content.update(files=[]),
}


@pytest.mark.parametrize("damage", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_manifest_is_refused(damage: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(json.dumps(manifest().to_payload()))
    damage(content)
    with pytest.raises(DocumentDamaged):
        parse(document.write("version", content))


@pytest.mark.invariant(2)
def test_a_manifest_that_breaks_an_invariant_is_never_written() -> None:
    with pytest.raises(DocumentDamaged):
        manifest(files={SQLITE: FileEntry((NEXT, BASE, NEXT))}).to_bytes()


def test_every_flipped_bit_is_noticed() -> None:
    body = manifest().to_bytes().rstrip()
    for at in range(len(body)):
        damaged = bytearray(body)
        damaged[at] ^= 4
        with pytest.raises((DocumentDamaged, SnapshotUnsupported)):
            assert parse(bytes(damaged)) != manifest()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"content":{}}', b"\xff", b"[" * 9999]
)
def test_noise_is_no_manifest(body: bytes) -> None:
    with pytest.raises(DocumentDamaged):
        parse(body)


def test_another_format_says_which_release_to_use() -> None:
    body = manifest().to_bytes().replace(b'"format":1', b'"format":2')
    with pytest.raises(SnapshotUnsupported, match="format 2; this release reads format 1"):
        parse(body)

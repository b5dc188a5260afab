"""The version file: for every file of the snapshot its size, digest and all packs since its base.

One manifest names everything a reader needs (docs/design.md, "Snapshot store"). It is checked
before it is written and again when it is read, where nothing in it is believed before.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, TypeVar

from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.format import document
from instep.snapshot.format.document import DocumentDamaged, shown
from instep.snapshot.format.freshness import ChangeTimes, Freshness, instant, time_or_none
from instep.snapshot.format.pack import MAX_PACK_BYTES, PACK_PAGES
from instep.snapshot.format.pages import page_count

MAX_MANIFEST_BYTES: Final = 16 << 20
MAX_FILE_BYTES: Final = 256 << 30
_KIND: Final = "version"
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_FILE: Final = re.compile(
    rf"chroma\.sqlite3|{_UUID}/(header|data_level0|length|link_lists)\.bin"
    rf"|{_UUID}/index_metadata\.pickle"
)
_SHA256: Final = re.compile("[0-9a-f]{64}")
_VERSION: Final = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}")

T = TypeVar("T")


@dataclass(frozen=True)
class PackRef:
    """A pack by its name, with its packed bytes and its pages."""

    hash: str
    bytes: int
    pages: int


@dataclass(frozen=True)
class Layer:
    """What one version shipped of one file, and the file's size and digest with it applied."""

    version: str
    size: int
    digest: str
    packs: tuple[PackRef, ...]

    @property
    def bytes(self) -> int:
        """Packed bytes of the layer."""
        return sum(pack.bytes for pack in self.packs)


@dataclass(frozen=True)
class FileEntry:
    """One file: its base, then the increments on it, oldest first."""

    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Bytes of the file at this version."""
        return self.layers[-1].size

    @property
    def digest(self) -> str:
        """Page-set digest of the file at this version."""
        return self.layers[-1].digest


@dataclass(frozen=True)
class Facts:
    """What a version says of its content, so that nobody has to open it to know."""

    embeddings: int = 0
    pending_vectors: int = 0
    free_pages: int = 0
    last_seq: int = 0
    configuration: str = ""


@dataclass(frozen=True)
class MadeBy:
    """The identity of the mapping that made a version, and the name of its embedder; "" is none."""

    identity: str = ""
    embedder: str = ""


NOBODY: Final = MadeBy()


@dataclass(frozen=True)
class Manifest:
    """An immutable version of a collection's directory; `times` are those of what it brought."""

    collection: str
    version: str
    parent: str | None
    created_at: str
    writer: str
    fencing_token: int
    watermark: str | None
    facts: Facts
    files: Mapping[str, FileEntry]
    note: Mapping[str, Any] = field(default_factory=dict)
    times: ChangeTimes | None = None
    made_by: MadeBy = NOBODY

    @property
    def freshness(self) -> Freshness:
        """How fresh the version was when it was stored, which is one step before its publish."""
        lag = self.times.lag(instant(self.created_at)) if self.times else None
        return Freshness(instant(self.watermark) if self.watermark else None, lag)

    def to_bytes(self) -> bytes:
        """Return the version file; raises DocumentDamaged if it would break an invariant."""
        body = document.write(_KIND, self.to_payload())
        parse(body)
        return body

    def to_payload(self) -> dict[str, Any]:
        """Return the manifest as JSON values."""
        return {
            "collection": self.collection,
            "version": self.version,
            "parent": self.parent,
            "created_at": self.created_at,
            "writer": self.writer,
            "fencing_token": self.fencing_token,
            "watermark": self.watermark,
            "times": self.times.to_payload() if self.times else None,
            "note": dict(self.note),
            "made_by": dict(vars(self.made_by)),
            "facts": dict(vars(self.facts)),
            "files": {
                name: [
                    [
                        layer.version,
                        layer.size,
                        layer.digest,
                        [[pack.hash, pack.bytes, pack.pages] for pack in layer.packs],
                    ]
                    for layer in entry.layers
                ]
                for name, entry in self.files.items()
            },
        }

    def pack_refs(self) -> dict[str, PackRef]:
        """Return every pack a reader of this version needs, by name, each once."""
        return {
            pack.hash: pack
            for entry in self.files.values()
            for layer in entry.layers
            for pack in layer.packs
        }

    def packs(self) -> set[str]:
        """Return their names."""
        return set(self.pack_refs())


def parse(body: bytes) -> Manifest:
    """Return the manifest in `body`; DocumentDamaged or SnapshotUnsupported when it is none."""
    if len(body) > MAX_MANIFEST_BYTES:
        raise DocumentDamaged(f"{len(body)} bytes are more than any manifest has")
    content = document.read(_KIND, body)
    try:
        return _manifest(content)
    except document.MISREAD as error:
        if isinstance(error, DocumentDamaged):
            raise
        raise DocumentDamaged(f"a field is missing or of another kind: {shown(error)}") from error


def _manifest(content: Mapping[str, Any]) -> Manifest:
    files = {name: _file(name, layers) for name, layers in content["files"].items()}
    require(SQLITE in files, f"it has no {SQLITE}")
    folders = {name.split("/")[0] for name in files} - {SQLITE}
    require(len(folders) <= 1, "it names more than one vector index")
    parent = content["parent"]
    return Manifest(
        collection=_typed(str, content["collection"]),
        version=version_id(content["version"]),
        parent=None if parent is None else version_id(parent),
        created_at=_time(content["created_at"]),
        writer=_typed(str, content["writer"]),
        fencing_token=natural(content["fencing_token"]),
        watermark=time_or_none(content["watermark"]),
        note=_typed(dict, content["note"]),
        made_by=_made_by(content.get("made_by", {})),
        times=ChangeTimes.from_payload(content["times"]) if content.get("times") else None,
        facts=_facts(content["facts"]),
        files=files,
    )


def _made_by(content: Any) -> MadeBy:
    known: dict[str, Any] = _typed(dict, content)
    return MadeBy(_typed(str, known.get("identity", "")), _typed(str, known.get("embedder", "")))


def is_file_of_a_snapshot(name: str) -> bool:
    """Say whether a path inside a directory is one of the files that make up a version."""
    return _FILE.fullmatch(name) is not None


def _file(name: str, layers: Any) -> FileEntry:
    require(is_file_of_a_snapshot(name), f"{shown(name)} is no file of a Chroma directory")
    require(bool(layers), f"{name} has no base")
    entry = FileEntry(tuple(_layer(name, layer) for layer in layers))
    base = entry.layers[0]
    require(
        sum(pack.pages for pack in base.packs) == page_count(base.size),
        f"{name}: the base does not hold every page",
    )
    sizes = [layer.size for layer in entry.layers]
    require(sizes == sorted(sizes), f"{name}: an increment shrinks the file")
    for before, layer in pairwise(entry.layers):
        held = sum(pack.pages for pack in layer.packs)
        require(0 < held <= page_count(layer.size), f"{name}: an increment of {held} pages")
        grown = page_count(layer.size) - page_count(before.size)
        require(grown <= held, f"{name}: {held} pages cannot make it grow by {grown}")
    return entry


def _layer(name: str, layer: Any) -> Layer:
    version, size, digest, packs = layer
    require(natural(size) <= MAX_FILE_BYTES, f"{name}: {size} bytes are beyond reason")
    return Layer(version_id(version), size, _sha256(digest), tuple(map(_pack, packs)))


def _pack(pack: Any) -> PackRef:
    name, length, pages = pack
    require(0 < natural(length) <= MAX_PACK_BYTES, f"a pack of {length} bytes")
    require(0 < natural(pages) <= PACK_PAGES, f"a pack of {pages} pages")
    return PackRef(_sha256(name), length, pages)


def _facts(facts: Mapping[str, Any]) -> Facts:
    return Facts(
        embeddings=natural(facts["embeddings"]),
        pending_vectors=natural(facts["pending_vectors"]),
        free_pages=natural(facts["free_pages"]),
        last_seq=natural(facts["last_seq"]),
        configuration=_typed(str, facts["configuration"]),
    )


def version_id(value: Any) -> str:
    """Return `value` if it is the id of a version; DocumentDamaged otherwise."""
    require(
        isinstance(value, str) and _VERSION.fullmatch(value) is not None,
        f"{shown(value)} is no version",
    )
    return str(value)


def _sha256(value: Any) -> str:
    require(isinstance(value, str) and _SHA256.fullmatch(value) is not None, "no hash")
    return str(value)


def _time(value: Any) -> str:
    instant(value)
    return str(value)


def natural(value: Any) -> int:
    """Return `value` if it is a whole number, 0 or more; DocumentDamaged otherwise."""
    require(type(value) is int and value >= 0, f"{shown(value)} is no count")
    return int(value)


def _typed(kind: Callable[..., T], value: Any) -> T:
    require(isinstance(value, kind), f"{shown(value)} is of another kind")  # type: ignore[arg-type]
    return value  # type: ignore[no-any-return]


def require(holds: bool, otherwise: str) -> None:
    """Raise DocumentDamaged, saying `otherwise`, unless it holds."""
    if not holds:
        raise DocumentDamaged(otherwise)

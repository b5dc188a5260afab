"""`instep history`: the versions of a collection, what each changed, who wrote it, what it cost."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from rich.markup import escape

from instep.cli.options import DEFAULT_STACK, At, Aws, Collection, Json, Stack
from instep.cli.output import answers, bytes_text, plain_table, print_json, remarks
from instep.cli.session import open_session
from instep.snapshot.copy.at import manifest_at
from instep.snapshot.copy.inventory import read_versions, version_files
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.tags import read_tags
from instep.snapshot.format.manifest import Manifest

EPILOG = "Example: [bold]instep history products --json | jq .versions[0].changed[/]"
_SHOWN: Final = 20
_MESSAGES: Final = (
    "messages"  # the engine's count, of what made the version and not of what changed
)

State: TypeAlias = Literal["head", "published", "staged", "unreadable"]


@dataclass(frozen=True)
class Version:
    """A version file. `bytes` is what it brought to S3, `snapshot_bytes` what it unpacks to.

    `staged`: HEAD never named it, or does not yet. `unreadable`: `problem` says why, and the rest
    is not known.
    """

    version: str
    state: State
    created_at: datetime
    writer: str = ""
    parent: str | None = None
    changed: Mapping[str, Any] | None = None
    embeddings: int = 0
    pending_vectors: int = 0
    bytes: int = 0
    snapshot_bytes: int = 0
    folded: bool = False
    tags: tuple[str, ...] = ()
    problem: str | None = None


def history(
    collection: Collection,
    *,
    at: At = None,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """List the versions, newest first: the head, those before it, and those never published.

    Reads each version file that lies in S3, and no pack. Those that were swept are not there. With
    `--at`, that version and what came before it.
    """
    session = open_session(aws=aws, stack=stack)
    store = SnapshotStore(session.objects, collection)
    with remarks.status(f"reading the versions of {collection}"):
        first = None if at is None else manifest_at(store, at).version
        versions = read_history(store, first)
    if as_json:
        print_json({"collection": collection, "versions": [asdict(one) for one in versions]})
    elif not versions:
        answers.print(f"{collection} has no version yet")
    else:
        show(versions)


def read_history(store: SnapshotStore, first: str | None = None) -> list[Version]:
    """Return every version in S3, newest first, or those from the version `first` on.

    StorageUnavailable; SnapshotCorrupt of HEAD or a tag.
    """
    read = list(read_versions(store, version_files(store)))
    names: dict[str, list[str]] = defaultdict(list)
    for tag in read_tags(store):
        names[tag.version].append(tag.name)
    head = store.head()
    once = {found.parent for _, found in read if isinstance(found, Manifest)}
    versions = []
    for file, found in read:
        if first is not None and file.version > first:
            continue
        if isinstance(found, Manifest):
            is_head = head is not None and head.version == file.version
            known = file.version in once or file.version in names
            state: State = "published" if known else "staged"
            tags = tuple(names[file.version])
            versions.append(replace(_describe(found, "head" if is_head else state), tags=tags))
        else:
            versions.append(Version(file.version, "unreadable", file.written, problem=str(found)))
    return versions


def show(versions: list[Version]) -> None:
    """Print the versions as people read them."""
    headings = ("", "version", "changed", "embeddings", "sent", "by")
    table = plain_table(*headings, right=("embeddings", "sent"), whole=("", "version"))
    for one in versions[:_SHOWN]:
        colour = {"head": "green", "unreadable": "red", "staged": "dim"}.get(one.state, "default")
        table.add_row(
            escape(" ".join(["HEAD"] * (one.state == "head") + [*one.tags])),
            f"[{colour}]{one.version}[/]",
            escape(what_changed(one)),
            f"{one.embeddings:,}",
            bytes_text(one.bytes),
            escape(one.writer.rpartition(":")[2]),
        )
    answers.print(table)
    left = len(versions) - _SHOWN
    if left > 0:
        answers.print(f"and {left:,} older (--json lists all)")


def what_changed(version: Version) -> str:
    """Say in a few words what a version changed, from the note its writer left."""
    note = version.changed or {}
    if version.problem is not None:
        return f"unreadable: {version.problem}"
    if "rollback_to" in note:
        said = f"back to {note['rollback_to']}"
    elif "imported" in note:
        said = f"imported {note['imported']}"
    else:
        said = counts_text(note) or ("folded" if version.folded else "")
    return f"{said} (not published)".strip() if version.state == "staged" else said


def counts_text(note: Mapping[str, Any]) -> str:
    """Say what a domain counted as it wrote a version: in its own words, and nothing of zero."""
    return ", ".join(
        f"{count:,} {name.replace('_', ' ')}"
        for name, count in note.items()
        if name != _MESSAGES and isinstance(count, int) and count
    )


def _describe(manifest: Manifest, state: State) -> Version:
    brought = [
        (at, layer)
        for entry in manifest.files.values()
        for at, layer in enumerate(entry.layers)
        if layer.version == manifest.version
    ]
    return Version(
        version=manifest.version,
        state=state,
        created_at=datetime.fromisoformat(manifest.created_at),
        writer=manifest.writer,
        parent=manifest.parent,
        changed=manifest.note,
        embeddings=manifest.facts.embeddings,
        pending_vectors=manifest.facts.pending_vectors,
        bytes=sum(layer.bytes for _, layer in brought),
        snapshot_bytes=sum(entry.size for entry in manifest.files.values()),
        folded=manifest.parent is not None and any(at == 0 for at, _ in brought),
    )

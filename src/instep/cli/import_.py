"""`instep import`: a collection starts from the snapshot its predecessor left in S3."""

from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Annotated

import typer

from instep.aws.objects import Objects
from instep.cli.options import DEFAULT_STACK, Aws, Collection, Json, Stack, Yes
from instep.cli.output import Refused, answers, ask, bytes_text, print_json, remarks
from instep.cli.rollback import who
from instep.cli.session import Session, open_session
from instep.snapshot.copy.store import SnapshotStore
from instep.wording import number_text

if TYPE_CHECKING:
    from instep.snapshot.acts.importing import Imported, Request
    from instep.snapshot.copy.fetch import Progress

EPILOG = "Example: [bold]instep import products --from s3://old-vectors --id 20251001_120000[/]"
_SCHEME = "s3://"


def import_(
    collection: Collection,
    *,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="s3://BUCKET", help="Where the snapshots lie; else our own bucket."
        ),
    ] = None,
    id_: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="One of them; else what latest-pointer.txt names."),
    ] = None,
    on_head: Annotated[
        bool, typer.Option("--on-head", help="Also when there are versions: becomes the new head.")
    ] = False,
    trust_index: Annotated[
        bool,
        typer.Option(
            "--trust-index",
            help="Keep its vector index, for a backup of your own alone: one that was tampered "
            "with kills every reader that searches it.",
        ),
    ] = False,
    aws: Aws = False,
    yes: Yes = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Publish a snapshot of the predecessor as the first version of a collection.

    Nothing of it is believed: its hash is checked where it has one, its archive is unpacked as
    hostile, and only its vectors and records are read. The vector index is built anew here, which
    takes 3.3 ms a vector of 1,536 floats (a minute for 20,000) and as much memory as they do. The
    space of the collection is kept, other settings are chromadb's own. What it holds may be older
    than the table: `instep verify` lists what differs, `instep sync` brings it.
    """
    session = open_session(aws=aws, stack=stack)
    ask(f"Publish what is imported as the head of {collection}?", yes=yes or not aws)
    with remarks.status(f"importing {collection}") as line:

        def progress(done: int, total: int) -> None:
            step = "importing" if done < total else "checking and publishing"
            line.update(f"{step} {collection}  {bytes_text(done)} of {bytes_text(total)}")

        def building(done: int, total: int) -> None:
            line.update(f"building the index of {collection}  {done:,} of {total:,} vectors")

        request = _request(session, source, id_, on_head=on_head, trust_index=trust_index)
        done = _import(session, collection, request, progress, building)
    if as_json:
        print_json({"collection": collection, **asdict(done)})
    else:
        show(collection, done)


def show(collection: str, done: "Imported") -> None:
    """Print what was imported, and what vouches for it."""
    answers.print(
        f"[green]imported[/] {collection} {done.id}: {number_text(done.embeddings, 'embedding')}, "
        f"{bytes_text(done.bytes)} in S3"
    )
    vouched = "its md5 was right" if done.hash_checked else "it has no hash that could be checked"
    index = "its index was kept" if done.index_kept else "the index was built anew"
    answers.print(f"every vector was read, {index}; {vouched}")
    answers.print(f"the head is now {done.version}; next: [bold]instep verify {collection}[/]")


def _request(
    session: Session, source: str | None, id_: str | None, *, on_head: bool, trust_index: bool
) -> "Request":
    # Here, so that a command that opens nothing does not load chromadb.
    from instep.chroma.foreign.whole import read_foreign
    from instep.snapshot.acts.importing import Request

    reading = None if trust_index else read_foreign
    identify = session.domain.identify
    return Request(_source(session, source), who(), reading, identify, id_, on_head)


def _import(
    session: Session,
    collection: str,
    request: "Request",
    progress: "Progress",
    building: "Progress",
) -> "Imported":
    from instep.snapshot.acts.importing import import_snapshot

    store = SnapshotStore(session.objects, collection)
    return import_snapshot(store, request, Path(gettempdir()), progress, building)


def _source(session: Session, source: str | None) -> Objects:
    if source is None:
        return session.objects
    bucket = source.removeprefix(_SCHEME).strip("/")
    if not source.startswith(_SCHEME) or not bucket or "/" in bucket:
        raise Refused(f"--from takes s3://BUCKET, not {source!r}")
    return Objects(session.target.client("s3"), bucket)

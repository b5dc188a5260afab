"""`instep import`: a collection starts from the snapshot its predecessor left in S3."""

from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Annotated

import typer

from instep.objects import Objects
from instep.snapshot.store import SnapshotStore
from tools.cli.options import DEFAULT_STACK, Aws, Collection, Json, Stack
from tools.cli.output import Refused, answers, bytes_text, print_json, remarks
from tools.cli.rollback import who
from tools.cli.session import Session, open_session

if TYPE_CHECKING:
    from instep.snapshot.fetch import Progress
    from instep.snapshot.importing import Imported

EPILOG = "Example: [bold]instep import words --from s3://old-vectors --id 20251001_120000[/]"
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
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Publish a snapshot of the predecessor as the first version of a collection.

    Its hash is checked where it has one, its archive is unpacked as hostile, its vectors are all
    read, and its settings are changed so that writing needs no index. What it holds may be older
    than the table: `instep verify` lists what differs, a change of each item brings it.
    """
    session = open_session(aws=aws, stack=stack)
    with remarks.status(f"importing {collection.value}") as line:

        def progress(done: int, total: int) -> None:
            step = "importing" if done < total else "checking and publishing"
            line.update(f"{step} {collection.value}  {bytes_text(done)} of {bytes_text(total)}")

        done = _import(session, collection.value, source, id_, progress, on_head=on_head)
    if as_json:
        print_json({"collection": collection.value, **asdict(done)})
    else:
        show(collection.value, done)


def show(collection: str, done: "Imported") -> None:
    """Print what was imported, and what vouches for it."""
    answers.print(
        f"[green]imported[/] {collection} {done.id}: {done.embeddings:,} embeddings, "
        f"{bytes_text(done.bytes)} in S3"
    )
    vouched = "its md5 was right" if done.hash_checked else "it has no hash that could be checked"
    answers.print(f"every vector was read; {vouched}")
    answers.print(f"the head is now {done.version}; next: [bold]instep verify {collection}[/]")


def _import(
    session: Session,
    collection: str,
    source: str | None,
    id_: str | None,
    progress: "Progress",
    *,
    on_head: bool,
) -> "Imported":
    # Here, so that a command that opens nothing does not load chromadb.
    from instep.snapshot.importing import Request, import_snapshot

    request = Request(_source(session, source), who(), id_, on_head)
    store = SnapshotStore(session.objects, collection)
    return import_snapshot(store, request, Path(gettempdir()), progress)


def _source(session: Session, source: str | None) -> Objects:
    if source is None:
        return session.objects
    bucket = source.removeprefix(_SCHEME).strip("/")
    if not source.startswith(_SCHEME) or not bucket or "/" in bucket:
        raise Refused(f"--from takes s3://BUCKET, not {source!r}")
    return Objects(session.target.client("s3"), bucket)

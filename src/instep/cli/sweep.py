"""`instep sweep`: delete what retention lets go, as the schedule does once a day."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from instep.cli.options import DEFAULT_STACK, Aws, Collections, Json, Stack, Yes
from instep.cli.output import Exit, answers, ask, bytes_text, complain, print_json, remarks
from instep.cli.session import Session, open_session
from instep.errors import SnapshotCorrupt, SnapshotUnsupported, StorageUnavailable
from instep.snapshot.acts.retention import Retention
from instep.snapshot.acts.sweep import Swept
from instep.snapshot.acts.sweep import sweep as sweep_store
from instep.snapshot.copy.store import SnapshotStore
from instep.wording import number_text

EPILOG = "Example: [bold]instep sweep products --dry-run[/]"


def sweep(
    collection: Collections = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and delete nothing.")
    ] = False,
    aws: Aws = False,
    yes: Yes = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Delete old versions, and the packs that no version names any more.

    How much is kept is the deployment's: keepVersions and keepDays of cdk.json. HEAD is always
    kept, and what was written within a day. Safe beside runs, readers and another sweep. A
    collection that is damaged, or does not answer, is named, and the others are swept: exit 3.
    """
    session = open_session(aws=aws, stack=stack)
    chosen = session.chosen(collection)
    ask(f"Delete old versions of {', '.join(chosen)}?", yes=yes or dry_run or not aws)
    swept: list[Swept] = []
    unswept: dict[str, str] = {}
    for name in chosen:
        try:
            swept.append(_sweep(session, name, dry_run=dry_run))
        except (SnapshotCorrupt, SnapshotUnsupported, StorageUnavailable) as error:
            unswept[name] = str(error)
    if as_json:
        collections = [asdict(one) for one in swept]
        print_json({"dry_run": dry_run, "collections": collections, "unswept": unswept})
    else:
        for one in swept:
            show(one, dry_run=dry_run)
    for why in unswept.values():
        complain("not swept", why)
    if unswept:
        raise typer.Exit(Exit.REFUSED)


def show(swept: Swept, *, dry_run: bool) -> None:
    """Print what went, or would go, and what stays."""
    verb = "would delete" if dry_run else "deleted"
    answers.print(
        f"{swept.collection}: {verb} {number_text(len(swept.versions), 'version')} and "
        f"{number_text(swept.packs, 'pack')}, "
        f"{bytes_text(swept.bytes)}; kept {swept.versions_kept:,} and {swept.packs_kept:,}"
    )


def _sweep(session: Session, collection: str, *, dry_run: bool) -> Swept:
    store = SnapshotStore(session.objects, collection)
    with remarks.status(f"reading the versions of {collection}") as line:
        return sweep_store(
            store,
            retention_of(session),
            dry_run=dry_run,
            progress=lambda done, total: line.update(
                f"{collection}: {done:,} of {total:,} objects deleted"
            ),
        )


def retention_of(session: Session) -> Retention:
    """Return what the deployment keeps."""
    deployment = session.deployment
    return Retention(int(deployment.keep_versions), timedelta(days=int(deployment.keep_days)))

"""`instep check`: whether an instep.toml can be followed, alone and on a sample of the table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from instep.cli.options import DEFAULT_STACK, Aws, Json, Stack
from instep.cli.output import Exit, answers, complain, print_json, remarks, say_no
from instep.cli.sampling import Sample, read_sample
from instep.clock import utc_now
from instep.errors import MappingRejected
from instep.mapping.model import CollectionMapping, TableMapping
from instep.mapping.reading import read_file
from instep.mapping.trial import Trial, try_mapping
from instep.source import Derived
from instep.wording import number_text

EPILOG = "Example: [bold]instep check --sample 500[/]"
_SHOWN: Final = 10


def check(
    file: Annotated[Path, typer.Argument(help="The mapping.", exists=True, dir_okay=False)] = Path(
        "instep.toml"
    ),
    *,
    sample: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", min=1, help="Try it on so many items of the table."),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="NAME", help="This table instead of the stack's."),
    ] = None,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Check a mapping: exit 1 when a line of it is wrong, or an item of the sample is refused.

    With --sample, items from all over the table show what would be embedded, what is refused and
    why, and which ids two items share. Nothing is embedded or written; a text too long for its
    embedder is not noticed here. Costs a Scan of about so many items.
    """
    try:
        mapping = read_file(file)
    except MappingRejected as error:
        if as_json:
            print_json({"follows": False, "fault": vars(error)})
            raise typer.Exit(Exit.NO) from error
        say_no(str(error))
    items = None
    if sample is not None:
        with remarks.status("reading a sample of the table"):
            items = read_sample(mapping, sample, table, aws=aws, stack=stack)
    trials = {
        name: try_mapping(collection, items.items if items else (), utc_now())
        for name, collection in mapping.collections.items()
    }
    if as_json:
        print_json(as_document(mapping, items, trials))
    else:
        show(file, mapping, items, trials)
    if not all(trial.passed for trial in trials.values()):
        raise typer.Exit(Exit.NO)


def as_document(
    mapping: TableMapping, items: Sample | None, trials: Mapping[str, Trial]
) -> dict[str, Any]:
    """Return what `--json` prints."""
    document: dict[str, Any] = {
        "follows": all(trial.passed for trial in trials.values()),
        "collections": {
            name: {"identity": one.identity, "may_share_ids": list(one.unsettled)}
            for name, one in mapping.collections.items()
        },
    }
    if items is not None:
        document |= {"table": items.table, "sampled": len(items.items)}
        for name, trial in trials.items():
            document["collections"][name] |= {
                "matched": trial.matched,
                "made": trial.made,
                "expired": trial.expired,
                "skipped": trial.skipped,
                "refused": dict(trial.refused.most_common()),
                "shared": trial.shared,
                "examples": {id_: _plain(one) for id_, one in trial.examples.items()},
            }
    return document


def show(
    file: Path, mapping: TableMapping, items: Sample | None, trials: Mapping[str, Trial]
) -> None:
    """Print each collection, and what it makes of the sample."""
    of_what = (
        "" if items is None else f", {number_text(len(items.items), 'item')} of {items.table} tried"
    )
    answers.print(
        f"{file}: {number_text(len(mapping.collections), 'collection')}{of_what}", markup=False
    )
    for name, collection in mapping.collections.items():
        answers.print(f"\n[bold]{name}[/]  {escape(_rules(collection))}")
        if collection.unsettled:
            loose = " and ".join(collection.unsettled)
            complain("note", f"the id leaves {loose} out: items that differ only there share one")
        if items is not None:
            _show_trial(trials[name])


def _rules(collection: CollectionMapping) -> str:
    made_by = f"embedded by {collection.embed}"
    if collection.vector is not None:
        made_by = f"vectors from {'.'.join(collection.vector.path)}"
    fields = number_text(len(collection.fields), "field")
    return f"id {collection.id.source}, {made_by}, {collection.spec.space}, {fields}"


def _show_trial(trial: Trial) -> None:
    counts = f"{trial.matched:,} match, {trial.made:,} would be embedded"
    expired = f", {trial.expired:,} expired" if trial.expired else ""
    skipped = f", {trial.skipped:,} skipped" if trial.skipped else ""
    answers.print(f"  {counts}{expired}{skipped}")
    for id_, derived in trial.examples.items():
        _show_example(id_, derived)
    for reason, count in trial.refused.most_common(_SHOWN):
        answers.print(f"  [red]refused[/] {count:,}: {escape(reason)}")
    for id_, keys in list(trial.shared.items())[:_SHOWN]:
        wanting = ", ".join(" / ".join(key) for key in keys[:_SHOWN])
        answers.print(f"  [red]shared[/] {escape(id_)}: {escape(wanting)}")


def _show_example(id_: str, derived: Derived) -> None:
    said = Table(box=None, show_header=False, padding=(0, 2, 0, 4))
    said.add_row("[dim]id[/]", f"[bold]{escape(id_)}[/]")
    plain = _plain(derived)
    if derived.document is not None:
        said.add_row("[dim]document[/]", escape(derived.document))
    if derived.text is not None and derived.text != derived.document:
        said.add_row("[dim]text[/]", escape(derived.text))
    if plain["vector"] is not None:
        said.add_row("[dim]vector[/]", f"{plain['vector']} floats")
    for name, value in plain["fields"].items():
        said.add_row(f"[dim]{escape(name)}[/]", escape(repr(value)))
    answers.print(said)


def _plain(derived: Derived) -> dict[str, Any]:
    """Return what would be carried, with a vector as its width."""
    return {
        "document": derived.document,
        "text": derived.text,
        "vector": None if derived.vector is None else len(derived.vector),
        "fields": {name: value for name, value in derived.fields.items() if value is not None},
    }

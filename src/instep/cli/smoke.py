"""`instep smoke`: does a change come through? One item in, seen in a snapshot, out again."""

from dataclasses import dataclass
from secrets import token_hex
from typing import Annotated, Any

import typer

from instep.cli.letters import Letters
from instep.cli.options import DEFAULT_STACK, Aws, Json, Stack, Yes
from instep.cli.output import Refused, answers, ask, print_json, remarks, say_no
from instep.cli.session import Session, open_session
from instep.cli.smoking import Lookalike, Readers, candidates, lookalike, lying_in, until
from instep.cli.wait import under_way
from instep.clock import utc_now
from instep.domain import Item

EPILOG = "Example: [bold]instep smoke --key 'PRODUCT#1' --key DETAILS[/]"
_FRESH = (
    "a bucket whose versioning was switched on within the last 15 minutes may answer that objects "
    "are not there: then try again later"
)


@dataclass(frozen=True)
class Smoked:
    """Seconds from the write until a reader saw it, and from the delete until it was gone; None:
    not within the timeout. `versions` by collection, those it was last looked for in.
    """

    came: float | None
    went: float | None
    versions: dict[str, str]
    trouble: str


def smoke(
    *,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            help="The item to copy: its partition key, and once more its sort key. Left out: the "
            "first that makes an embedding by itself.",
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for each way.")] = 300.0,
    yes: Yes = False,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Put a copy of an item into the table, wait until a reader sees it, and take it out again.

    The copy has a key of its own, which ends in -smoke- and eight letters, and the table's time to
    live takes it after an hour should this be killed. Whoever else reads the table's stream sees
    it too. Where vectors come from elsewhere, no item makes an embedding by itself: then this
    refuses.

    Exit status 0 when it came and went, 1 when it did not within `--timeout` seconds.
    """
    session = open_session(aws=aws, stack=stack)
    copy = _chosen(session, key)
    remarks.print(f"a copy of {'/'.join(copy.of)} under {'/'.join(copy.key)}", markup=False)
    ask("Put it into this account's table?", yes=yes or not aws)
    done = through(session, copy, timeout)
    if as_json:
        print_json({"item": list(copy.key), "embeddings": copy.ids, **vars(done)})
    elif done.came is not None:
        seen = ", ".join(f"{name} {version}" for name, version in done.versions.items())
        answers.print(f"[green]in[/] after {done.came:.1f} s: a reader sees it", highlight=False)
        if done.went is not None:
            answers.print(f"[green]out[/] after {done.went:.1f} s: gone, nothing is left ({seen})")
    if done.came is None or done.went is None:
        say_no(_why_not(session, copy, done))


def through(session: Session, copy: Lookalike, timeout: float) -> Smoked:
    """Let the copy go in and out; however this ends, the table has it no more."""
    with Readers(session.objects) as readers, remarks.status("waiting until it is seen") as line:
        with lying_in(
            session.dynamodb, session.deployment.dynamodb_table_name, copy, session.domain
        ):
            came = until(lambda: readers.see(copy.ids, gone=False), timeout)
        line.update("waiting until it is gone")
        went = until(lambda: readers.see(copy.ids, gone=True), timeout)
        return Smoked(came, went, dict(readers.versions()), readers.trouble)


def _chosen(session: Session, parts: list[str] | None) -> Lookalike:
    """Return the copy of the item that is named, or of the first that can be copied."""
    table = session.deployment.dynamodb_table_name
    found = candidates(session.dynamodb, table, _key(session, parts))
    token, now = token_hex(4), utc_now()
    for item in found:
        copy = _copied(session, item, token, now)
        if copy is not None:
            return copy
    if parts and not found:
        raise Refused(f"the table {table} has no item {'/'.join(parts)}")
    none = f"none of the table's first {len(found)} makes an"
    if parts:
        none = f"the item {'/'.join(parts)} makes no"
    raise Refused(
        f"{none} embedding by itself that a copy could have beside it: name an item that "
        f"does with --key, or change one by hand and follow it with `instep wait`"
    )


def _copied(session: Session, item: Item, token: str, now: Any) -> Lookalike | None:
    try:
        return lookalike(session.domain, item, token, now)
    except ValueError:  # it is not keyed as the domain says
        return None


def _key(session: Session, parts: list[str] | None) -> Item | None:
    schema = session.domain.schema
    if not parts:
        return None
    if len(parts) != len(schema.names):
        raise typer.BadParameter(f"--key once for each of {', '.join(schema.names)}")
    return schema.written(tuple(parts))


def _why_not(session: Session, copy: Lookalike, done: Smoked) -> str:
    """Say what may keep the item from coming or going."""
    letters = Letters.read(session)
    reasons = map(letters.why, copy.missing)
    what = "it was not seen" if done.came is None else "it is not gone"
    letter = next((f"; it lies in the DLQ: {reason}" for reason in reasons if reason), "")
    busy = under_way(session)
    trouble = f"; at last {done.trouble}" if done.trouble else ""
    return f"{what} in time{letter}{trouble}; under way: {busy or 'nothing'}; {_FRESH}"

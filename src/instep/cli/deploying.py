"""A deployment on the terminal: what might keep it from working, what it changes in rights where
that is an account's, one line that moves while the CDK works, and how long it took.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from rich.markup import escape

from instep.app import app_folder, context_of, stack_name
from instep.binding import collection_names
from instep.cdk.config import Config
from instep.cli.knobs import knobs_of
from instep.cli.output import ask, remarks
from instep.cli.preflight import check_table, remarks_on
from instep.local.deploy import (
    Deployment,
    bootstrap,
    changes_of_rights,
    deploy,
    deploy_assembly,
    is_bootstrapped,
    synthesize,
)
from instep.local.target import Target

_WIDTH = 90


def deploy_with_progress(target: Target, context: Iterable[str] = ()) -> Deployment:
    """Deploy to the local cloud, with cdk.json's context and `context` (KEY=VALUE each) over it.

    ConfigRejected, ConfigurationMissing or MappingRejected before anything is done, Refused for a
    table that cannot be followed; DeployFailed names the step that failed.
    """
    knobs, _ = _checked(target, context)
    began = monotonic()
    with _moving("synthesizing and deploying (the first time also builds the layer)") as report:
        deployment = deploy(target, knobs, report)
    _say_deployed(began)
    return deployment


def deploy_to_account(target: Target, context: Iterable[str] = (), *, yes: bool) -> Deployment:
    """Deploy to an account, after all checks, and after showing what changes in rights.

    Nothing in the account is touched before a person, or `yes`, has agreed. Raises as above;
    typer.Exit when the person says no.
    """
    knobs, whole = _checked(target, ["localCloud=false", *context])
    stack = str(whole["name"])
    with tempfile.TemporaryDirectory(prefix="instep-cdk-") as scratch:
        with _moving("synthesizing (the first time also builds the layer)") as report:
            assembly = synthesize(Path(scratch) / "cdk.out", knobs, report)
            changes = changes_of_rights(target, assembly, stack)
        for one in remarks_on(target, whole, assembly):
            remarks.print(f"[yellow]note[/]: {escape(one)}", soft_wrap=True)
        if not is_bootstrapped(target):
            remarks.print("[yellow]note[/]: CDK's bucket and roles (CDKToolkit) are made first")
        remarks.print(changes, markup=False, soft_wrap=True)
        ask("Deploy to this account?", yes=yes)
        began = monotonic()
        with _moving("deploying") as report:
            bootstrap(target, report)
            deployment = deploy_assembly(target, assembly, stack, report)
    _say_deployed(began)
    return deployment


def _checked(target: Target, context: Iterable[str]) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    """Return the knobs and the whole context; say here what synthesis would say by a traceback, and
    a minute later.
    """
    knobs = knobs_of(context)
    whole = {"name": stack_name(), **context_of(app_folder()), **knobs}
    Config.from_context(whole.get, whole)
    if "domain" in whole:
        collection_names()
    check_table(target, whole)
    return knobs, whole


@contextmanager
def _moving(what: str) -> Iterator[Callable[[str], None]]:
    """Show one line that moves, and yield what moves it."""
    with remarks.status(what) as line:

        def report(printed: str) -> None:
            if printed.strip():
                line.update(f"deploying  [dim]{escape(printed.strip()[:_WIDTH])}[/]")

        yield report


def _say_deployed(began: float) -> None:
    remarks.print(f"[green]deployed[/] with the CDK CLI in {monotonic() - began:.1f} s")

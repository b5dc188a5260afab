"""A deployment on the terminal: one line that moves while the CDK works, and how long it took."""

from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

from rich.markup import escape

from instep.app import app_folder, context_of
from instep.binding import collection_names
from instep.cdk.config import Config
from instep.cli.knobs import knobs_of
from instep.cli.output import remarks
from instep.local.deploy import Deployment, deploy
from instep.local.target import Target

_WIDTH = 90


def deploy_with_progress(target: Target, context: Iterable[str] = ()) -> Deployment:
    """Deploy with cdk.json's context and `context` (KEY=VALUE each) over it.

    ConfigRejected, ConfigurationMissing or MappingRejected before anything is done;
    DeployFailed names the step that failed.
    """
    knobs = knobs_of(context)
    _require_deployable(context_of(app_folder()) | knobs)
    began = monotonic()
    with remarks.status(
        "synthesizing and deploying (the first time also builds the layer)"
    ) as line:

        def report(printed: str) -> None:
            if printed.strip():
                line.update(f"deploying  [dim]{escape(printed.strip()[:_WIDTH])}[/]")

        deployment = deploy(target, knobs, report)
    remarks.print(f"[green]deployed[/] with the CDK CLI in {monotonic() - began:.1f} s")
    return deployment


def _require_deployable(context: Mapping[str, Any]) -> None:
    """Say here what synthesis would say by a traceback, and a minute later."""
    Config.from_context(context.get, context)
    if "domain" in context:
        collection_names()

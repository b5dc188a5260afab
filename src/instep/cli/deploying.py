"""A deployment on the terminal: one line that moves while the CDK works, and how long it took."""

from collections.abc import Iterable
from time import monotonic

from rich.markup import escape

from instep.cli.output import Refused, answers, remarks
from instep.local.deploy import Deployment, deploy
from instep.local.target import Target

_WIDTH = 90


def deploy_with_progress(target: Target, context: Iterable[str] = ()) -> Deployment:
    """Deploy with cdk.json's context and `context` (KEY=VALUE each) over it.

    Refused for a context entry of another form; DeployFailed names the step that failed.
    """
    knobs = knobs_of(context)
    began = monotonic()
    with remarks.status(
        "synthesizing and deploying (the first time also builds the layer)"
    ) as line:

        def report(printed: str) -> None:
            if printed.strip():
                line.update(f"deploying  [dim]{escape(printed.strip()[:_WIDTH])}[/]")

        deployment = deploy(target, knobs, report)
    answers.print(f"[green]deployed[/] with the CDK CLI in {monotonic() - began:.1f} s")
    return deployment


def knobs_of(context: Iterable[str]) -> dict[str, str]:
    """Return context given as KEY=VALUE each; Refused for an entry of another form."""
    return dict(_pair(entry) for entry in context)


def _pair(entry: str) -> tuple[str, str]:
    key, equals, value = entry.partition("=")
    if not (key and equals):
        raise Refused(f"-c takes KEY=VALUE, not {entry!r}")
    return key, value

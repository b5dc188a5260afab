"""Expected errors end a command with their message and a status, never with a traceback."""

from typing import Any

import typer
from typer.core import TyperGroup

from instep.cli.extras import extra_of
from instep.cli.output import Exit, Refused, complain


def expected() -> tuple[type[Exception], ...]:
    """Return what a command may end with. Called once something was raised: it loads boto3."""
    from botocore.exceptions import BotoCoreError, ClientError

    from instep.cdk.node import NodeMissing
    from instep.errors import CompactionError
    from instep.local.deploy import DeployFailed, NotDeployed
    from instep.local.executions import StillRunning
    from instep.local.guard import EndpointNotLocal
    from instep.local.launcher import CloudNotStarted, CloudRunning

    return (
        BotoCoreError,
        ClientError,
        CloudNotStarted,
        CloudRunning,
        CompactionError,
        DeployFailed,
        EndpointNotLocal,
        NodeMissing,
        NotDeployed,
        Refused,
        StillRunning,
    )


class FriendlyGroup(TyperGroup):
    """The group of all commands: it turns an expected error into a sentence and status 3."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except ModuleNotFoundError as error:
            advice = extra_of(error)
            if advice is None:
                raise
            complain("not installed", advice)
            raise typer.Exit(Exit.REFUSED) from error
        except expected() as error:
            complain(type(error).__name__, str(error))
            raise typer.Exit(Exit.REFUSED) from error

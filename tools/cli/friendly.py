"""Expected errors end a command with their message and a status, never with a traceback."""

from typing import Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from instep.errors import CompactionError
from tools.cli.output import Exit, Refused, complain
from tools.local_cloud.deploy import DeployFailed, NotDeployed
from tools.local_cloud.executions import StillRunning
from tools.local_cloud.guard import EndpointNotLocal
from tools.local_cloud.launcher import CloudNotStarted, CloudRunning
from tools.node import NodeMissing

_EXPECTED = (
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
        except _EXPECTED as error:
            complain(type(error).__name__, str(error))
            raise typer.Exit(Exit.REFUSED) from error

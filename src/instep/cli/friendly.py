"""Whatever ends a command ends it with a sentence and a status; a traceback only with --debug."""

import traceback
from typing import Any, Final

import typer
from typer.core import TyperGroup

from instep.cli.advice import advised
from instep.cli.console import nobody_reads
from instep.cli.extras import extra_of
from instep.cli.output import Exit, Refused, complain, remarks

DEBUG: Final = "instep.debug"  # in a context's `meta`, which a command shares with the group


def expected() -> tuple[type[Exception], ...]:
    """Return what a command may end with. Called once something was raised: it loads boto3."""
    from botocore.exceptions import BotoCoreError, ClientError

    from instep.cdk.config import ConfigRejected
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
        ConfigRejected,
        DeployFailed,
        EndpointNotLocal,
        NodeMissing,
        NotDeployed,
        Refused,
        StillRunning,
    )


class FriendlyGroup(TyperGroup):
    """The group of all commands: it turns an error into a sentence and a status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except typer.Exit:
            raise
        except typer.Abort as error:  # Ctrl-C, or the end of input, where something was asked
            raise typer.Exit(Exit.INTERRUPTED) from error
        except BrokenPipeError:
            nobody_reads()
        except Exception as error:
            if hasattr(error, "format_message"):  # Typer's own, of a wrong call
                _say_usage(error)
                raise typer.Exit(Exit.USAGE) from error
            if ctx.meta.get(DEBUG):
                traceback.print_exception(error)
            complain(*_said(error))
            raise typer.Exit(Exit.REFUSED) from error


def _say_usage(error: Any) -> None:
    if error.ctx is not None:
        remarks.print(error.ctx.get_usage(), markup=False, soft_wrap=True)
    complain("wrong call", f"{error.format_message().rstrip('.')} (--help says more)")


def _said(error: Exception) -> tuple[str, str]:
    """Return what a person reads of an error: its kind, and what to do."""
    if isinstance(error, ModuleNotFoundError) and (advice := extra_of(error)):
        return "not installed", advice
    if isinstance(error, expected()):
        return type(error).__name__, advised(error)
    if isinstance(error, OSError) and error.strerror:
        about = f"{error.filename}: " if error.filename is not None else ""
        return "not possible", f"{about}{error.strerror}"
    kind = f"{type(error).__name__}: {error}".rstrip(": ")
    return "unexpected", f"{kind}: this is a fault of ours; --debug shows where it happened"

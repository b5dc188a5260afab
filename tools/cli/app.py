"""The command line's table of contents: every command, its help and its exit statuses."""

import typer

from tools.cli import demo, deploy, down, env, pull, query, run, status, up, verify, wait
from tools.cli.friendly import FriendlyGroup
from tools.cli.output import EXIT_HELP

app = typer.Typer(
    name="instep",
    cls=FriendlyGroup,
    help="Keep ChromaDB collections on S3 in step with a DynamoDB table.",
    epilog=EXIT_HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

LOCAL = "The local cloud"
RUN = "Run and wait"
LOOK = "Look"

app.command(epilog=demo.EPILOG, rich_help_panel=LOCAL)(demo.demo)
app.command(epilog=up.EPILOG, rich_help_panel=LOCAL)(up.up)
app.command(epilog=down.EPILOG, rich_help_panel=LOCAL)(down.down)
app.command(epilog=env.EPILOG, rich_help_panel=LOCAL)(env.env)
app.command(epilog=deploy.EPILOG, rich_help_panel=RUN)(deploy.deploy)
app.command(epilog=run.EPILOG, rich_help_panel=RUN)(run.run)
app.command(epilog=wait.EPILOG, rich_help_panel=RUN)(wait.wait)
app.command(epilog=status.EPILOG, rich_help_panel=LOOK)(status.status)
app.command(epilog=query.EPILOG, rich_help_panel=LOOK)(query.query)
app.command(epilog=pull.EPILOG, rich_help_panel=LOOK)(pull.pull)
app.command(epilog=verify.EPILOG, rich_help_panel=LOOK)(verify.verify)


def main() -> None:
    """Run the command line."""
    app()

"""`instep env`: what another terminal needs so that `aws` or boto3 just works there."""

import shlex

import typer

from instep.cli.options import DEFAULT_STACK, Json, Stack
from instep.cli.output import print_json
from instep.cli.session import open_session
from instep.local.environment import local_credentials
from instep.local.guard import require_local_endpoint

EPILOG = 'Example: [bold]eval "$(instep env)" && aws s3 ls "s3://$CHROMADB_BUCKET"[/]'


def env(*, stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """Print `export NAME=value` lines: endpoint, region, dummy credentials and the stack's names.

    Only ever of the local cloud: an account's credentials are not printed.
    """
    session = open_session(aws=False, stack=stack)
    endpoint = require_local_endpoint(session.target.environ)
    variables = local_credentials(endpoint) | session.deployment.variables()
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")

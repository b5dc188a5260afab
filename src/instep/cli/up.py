"""`instep up`: the local cloud with the app deployed in it, and left running."""

from contextlib import suppress

from instep.app import app_folder
from instep.cli.deploying import deploy_with_progress
from instep.cli.options import Context, Json
from instep.cli.output import answers, print_json
from instep.local.launcher import LocalCloud
from instep.local.target import Target

EPILOG = "Example: [bold]instep up && instep status[/]"


def up(*, context: Context = None, as_json: Json = False) -> None:
    """Start the local cloud and deploy the app to it. Repeated, it deploys what has changed.

    The cloud listens on loopback alone; its state lies in .instep/ of the app, where the
    other commands find it.
    """
    app_folder()  # a cloud without an app to deploy is not worth its start
    cloud = LocalCloud.running()
    started = cloud is None
    if cloud is None:
        cloud = LocalCloud.start()
    try:
        deployment = deploy_with_progress(Target.of(cloud), context or ())
    except BaseException:
        if started:  # a half-made cloud helps nobody; one that ran before stays
            with suppress(OSError):
                cloud.stop()
        raise
    if as_json:
        print_json({"endpoint": cloud.endpoint, "pid": cloud.pid, **deployment.variables()})
        return
    answers.print(f"[green]up[/]: {cloud.endpoint}  (process {cloud.pid})")
    answers.print(f"table:  {deployment.dynamodb_table_name}", soft_wrap=True)
    answers.print(f"bucket: {deployment.chromadb_bucket}", soft_wrap=True)
    answers.print(
        'next: [bold]eval "$(instep env)"[/], [bold]instep status[/], [bold]instep down[/]'
    )

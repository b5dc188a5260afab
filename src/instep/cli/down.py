"""`instep down`: stop the local cloud and remove everything it left."""

from instep.cli.output import answers
from instep.local.launcher import LocalCloud

EPILOG = "Example: [bold]instep down[/]"


def down() -> None:
    """Stop the local cloud of this app and remove its files. Safe to repeat.

    Tables, queues and snapshots of the local cloud live in its memory and go with it.
    """
    cloud = LocalCloud.running()
    if cloud is None:
        left = LocalCloud.clear()
        answers.print("nothing runs here" + ("; what was left of it is removed" if left else ""))
        return
    cloud.stop()
    answers.print(f"[green]down[/]: {cloud.endpoint} is stopped, its files are removed")

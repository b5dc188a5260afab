"""The app that one works for: the folder of the nearest cdk.json, and what its context says.

What is made of an app lies below it, in .build/, and its local cloud in .instep/.
"""

import json
from pathlib import Path
from typing import Any, Final

from instep.errors import ConfigurationMissing

APP_FILE: Final = "cdk.json"
DEFAULT_STACK: Final = "Instep"


def app_folder(start: Path | None = None) -> Path:
    """Return the nearest folder with a cdk.json, from `start` (default: here) upwards.

    ConfigurationMissing when there is none.
    """
    found = _find(start)
    if found is None:
        raise ConfigurationMissing(
            f"no {APP_FILE} here or above: go to your app's folder, or make one with "
            f"`instep init DIR`"
        )
    return found


def context_of(app: Path) -> dict[str, Any]:
    """Return the context of an app's cdk.json; ConfigurationMissing when that cannot be read."""
    try:
        settings = json.loads((app / APP_FILE).read_text())
        return dict(settings.get("context", {}))
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigurationMissing(
            f"{app / APP_FILE} is no JSON object with a context: {error}"
        ) from error


def build_folder(app: Path) -> Path:
    """Return where what is made of an app is kept: its .build/, or that of the app it lies in.

    Whatever lies there is named by what it was made of, so that it can be shared.
    """
    apps = [folder for folder in (app, *app.parents) if (folder / APP_FILE).is_file()]
    return (apps[-1] if apps else app) / ".build"


def stack_name() -> str:
    """Return the name of the stack that is meant where none is given."""
    app = _find()
    return str(context_of(app).get("name", DEFAULT_STACK)) if app else DEFAULT_STACK


def state_folder() -> Path:
    """Return where the app's local cloud keeps its files; below here, outside of any app."""
    return (_find() or Path.cwd()) / ".instep" / "cloud"


def _find(start: Path | None = None) -> Path | None:
    here = (start or Path.cwd()).resolve()
    return next((path for path in (here, *here.parents) if (path / APP_FILE).is_file()), None)

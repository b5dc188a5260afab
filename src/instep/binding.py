"""Which domain an app has: what its cdk.json names, found from the folder one works in.

`"domain": "instep.toml"` is a mapping beside cdk.json, `"domain": "package:ATTRIBUTE"` a domain in
Python. Deployed functions are bound to it by their own few lines, and never look.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from instep.domain import Domain
from instep.errors import ConfigurationMissing
from instep.mapping.domain import load

APP_FILE: Final = "cdk.json"
_CHECKOUT: Final = Path(__file__).resolve().parents[2]


def app_folder(start: Path | None = None) -> Path:
    """Return the nearest folder with a cdk.json, from `start` (default: here) upwards.

    From anywhere else a checkout of Instep means its own. ConfigurationMissing without either.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, _CHECKOUT):
        if (folder / APP_FILE).is_file():
            return folder
    raise ConfigurationMissing(
        f"no {APP_FILE} here or above: go to your app's folder, or make one with `instep init DIR`"
    )


def load_domain(folder: Path | None = None) -> Domain:
    """Return the domain that the app in `folder` (default: `app_folder()`) names.

    ConfigurationMissing when it names none, or one that cannot be found.
    """
    app = folder or app_folder()
    named = json.loads((app / APP_FILE).read_text()).get("context", {}).get("domain")
    if not isinstance(named, str):
        raise ConfigurationMissing(
            f'{app / APP_FILE} names no domain: set "domain" in its context to "instep.toml", or '
            f'to "package:ATTRIBUTE"'
        )
    if named.endswith(".toml"):
        return load(app / named)
    module, _, attribute = named.partition(":")
    if str(app) not in sys.path:
        sys.path.insert(0, str(app))  # where an app's own package lies
    try:
        found: Domain = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationMissing(f"{app / APP_FILE}: domain {named!r}: {error}") from error
    return found

"""Which domain an app has: what its cdk.json names, found from the folder one works in.

`"domain": "instep.toml"` is a mapping beside cdk.json, `"domain": "package:ATTRIBUTE"` a domain in
Python. Deployed functions are bound to it by their own few lines, and never look.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from instep.app import APP_FILE, app_folder, context_of
from instep.domain import Domain
from instep.errors import ConfigurationMissing


def load_domain(folder: Path | None = None) -> Domain:
    """Return the domain that the app in `folder` (default: `app_folder()`) names.

    ConfigurationMissing when it names none, or one that cannot be found.
    """
    app = folder or app_folder()
    return domain_named(context_of(app).get("domain"), app)


def collection_names(folder: Path | None = None) -> list[str]:
    """Return the names of the collections of the domain that `load_domain` would load.

    A mapping is read for it, and what embeds is left alone. ConfigurationMissing as above;
    MappingRejected.
    """
    app = folder or app_folder()
    named = context_of(app).get("domain")
    if not (isinstance(named, str) and named.endswith(".toml") and (app / named).is_file()):
        return list(load_domain(app).collections)
    from instep.mapping.reading import read_file

    return list(read_file(app / named).collections)


def domain_named(named: object, app: Path) -> Domain:
    """Return the domain of this name in an app; ConfigurationMissing as above."""
    if not isinstance(named, str):
        raise ConfigurationMissing(
            f'{app / APP_FILE} names no domain: set "domain" in its context to "instep.toml", or '
            f'to "package:ATTRIBUTE"'
        )
    if not named.endswith(".toml"):
        found: Domain = imported(named, app)
        return found
    from instep.mapping.domain import load  # numpy, which a domain in Python may do without

    return load(app / named)


def imported(named: str, app: Path) -> Any:
    """Return what `package:ATTRIBUTE` names, as the app in folder `app` imports it.

    ConfigurationMissing when there is no such thing.
    """
    module, _, attribute = named.partition(":")
    if str(app) not in sys.path:
        sys.path.insert(0, str(app))  # where an app's own package lies
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationMissing(f"{app / APP_FILE} names {named!r}: {error}") from error

"""A deployment's context as it is given on the command line: KEY=VALUE, of a key that there is."""

from collections.abc import Iterable, Mapping
from typing import Any

import typer

from instep.app import app_folder, context_of
from instep.cdk.config import Config, ConfigRejected
from instep.cdk.context_keys import closest, is_of_the_cdk
from instep.errors import ConfigurationMissing


def knobs_of(context: Iterable[str]) -> dict[str, str]:
    """Return context given as KEY=VALUE each; BadParameter for an entry of another form."""
    return dict(_pair(entry) for entry in context)


def checked(context: list[str] | None) -> list[str] | None:
    """Return the context as it was given; BadParameter for what no deployment can be made of."""
    if context:
        _check(knobs_of(context), _written())
    return context


def _check(knobs: Mapping[str, str], written: Mapping[str, Any]) -> None:
    known = {*Config.keys(), *written}  # an app may have keys of its own, and say so
    for key in knobs:
        if key not in known and not is_of_the_cdk(key):
            near = closest(key, known)
            instead = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
            raise typer.BadParameter(f"there is no key {key!r}: {instead}")
    try:
        Config.from_context((dict(written) | dict(knobs)).get, knobs)
    except ConfigRejected as error:
        raise typer.BadParameter(str(error)) from error


def _written() -> dict[str, Any]:
    """Return what cdk.json says; nothing where there is none, which others complain of."""
    try:
        return context_of(app_folder())
    except ConfigurationMissing:
        return {}


def _pair(entry: str) -> tuple[str, str]:
    key, equals, value = entry.partition("=")
    if not (key and equals):
        raise typer.BadParameter(f"-c takes KEY=VALUE, not {entry!r}")
    return key, value

"""Fail closed: nothing local does anything unless every AWS call is bound for this machine.

The rule is the issue's: a local command that could reach an account by mistake must not start.
"""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ENDPOINT = "AWS_ENDPOINT_URL"


class EndpointNotLocal(Exception):
    """An AWS call could leave this machine; the message says which variable and what to do."""


def is_loopback(url: str) -> bool:
    """Whether `url` is http(s) to this machine, without credentials in it."""
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and parts.hostname in LOOPBACK and "@" not in url


def require_local_endpoint(environ: Mapping[str, str] | None = None) -> str:
    """Return the loopback endpoint that `environ` (the process's own) names.

    EndpointNotLocal when AWS_ENDPOINT_URL is missing or leaves the machine, when a service's own
    endpoint (AWS_ENDPOINT_URL_S3, ...) does, or when the SDK is told to ignore them.
    """
    environ = os.environ if environ is None else environ
    endpoint = environ.get(ENDPOINT, "")
    if not endpoint:
        raise EndpointNotLocal(
            f"{ENDPOINT} is not set, so AWS calls would go to an account: "
            f'run `instep up`, then `eval "$(instep env)"`'
        )
    for name, value in environ.items():
        if name == ENDPOINT or name.startswith(f"{ENDPOINT}_"):
            _require_loopback(name, value)
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        raise EndpointNotLocal(
            f"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS makes the SDK ignore {ENDPOINT}: unset it"
        )
    return endpoint


def _require_loopback(name: str, value: str) -> None:
    if not is_loopback(value):
        raise EndpointNotLocal(
            f"{name}={value} is not on this machine: unset it, or use `--aws` where a command "
            f"offers it and an account is what you mean"
        )

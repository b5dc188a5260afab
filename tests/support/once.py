"""What botocore, moto and chromadb do anew with each client or test, done once in a process: their
caches, which a test of a few calls would fill for itself alone.

It leans on the names that are patched here; a release without one of botocore's fails at the start,
another moto or chromadb is only slower. AWS's service models and the endpoints' TLS context, which
nothing here uses, are read once: every cold start of a handler makes clients anew. So are
botocore's names of its events, which each session works out, its own name, which each call checks
letter by letter, and moto's table of S3's URLs. chromadb asks at each start whether it runs in a
notebook of Google's, and pytest's import hook is slow to say no; None in `sys.modules` is how an
import is told so at once.
"""

import sys
from functools import cache
from typing import Any

import botocore.httpsession
import botocore.session
import botocore.useragent
import moto.s3.models
from botocore.hooks import EventAliaser

_ALIASES: dict[str, str] = {}


def install() -> None:
    """Patch them all, for the rest of the process."""
    for module, name in (
        (botocore.session, "create_loader"),
        (botocore.httpsession, "create_urllib3_context"),
        (botocore.useragent, "sanitize_user_agent_string_component"),
    ):
        setattr(module, name, cache(getattr(module, name)))
    moto.s3.models.reload = lambda module: module  # type: ignore[attr-defined]
    sys.modules["google.colab"] = None  # type: ignore[assignment]
    begin = EventAliaser.__init__

    def begin_with_all_names(aliaser: Any, *given: Any, **named: Any) -> None:
        begin(aliaser, *given, **named)
        assert not aliaser._alias_name_cache, "botocore has the names already"
        aliaser._alias_name_cache = _ALIASES

    EventAliaser.__init__ = begin_with_all_names  # type: ignore[assignment]

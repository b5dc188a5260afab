"""Why a state failed, as a person reads it: a function puts a JSON object around its message."""

import json
from contextlib import suppress


def cause_text(error: str | None, cause: str | None) -> str:
    """Return the error's name and its message: of a function's, without types and stack."""
    text = cause or ""
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        text = str(json.loads(text)["errorMessage"])
    return ": ".join(filter(None, (error, text)))

"""Find the embedder that a mapping names (`instep.embedding.spelling`): ours, or one of yours."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from instep.embedding.bedrock import COHERE, COHERE_TRUNCATES, TITAN, TITAN_WIDTHS, Cohere, Titan
from instep.embedding.halving import embedded_but_refused
from instep.embedding.local import Local
from instep.embedding.spelling import Spelling, spelled
from instep.errors import EmbedderBroken, EmbedderMissing

if TYPE_CHECKING:
    from instep.chroma.carriable import Refusal
    from instep.difference import Vector
    from instep.embedding.bedrock import Purpose
    from instep.embedding.embedder import Embedder

_BATCH: Final = 64
_PORT: Final = ("name", "batch", "embed")
_TRUTH: Final = {"true": True, "false": False}


def embedder_of(name: str, purpose: "Purpose" = "document") -> "Embedder":
    """Return the embedder of this name; nothing is asked of it yet.

    `purpose` "query": for questions that search what "document" embedded; only some models tell
    them apart. EmbedderMissing when there is none, which says how to spell it or what to install.
    """
    spelling = spelled(name)
    if spelling.kind == "local":
        return Local()
    if spelling.kind == "bedrock":
        return _of_bedrock(spelling, purpose)
    return _imported(name)


class Function:
    """A function of texts as an embedder: it returns one vector a text, in order.

    ValueError of it means that one of the texts can have none, and which is found out; every other
    error fails the step. An attribute `version` of the function becomes part of the name.
    """

    batch = _BATCH

    def __init__(self, name: str, function: Callable[[Sequence[str]], Any]) -> None:
        version = getattr(function, "version", None)
        self.name = name if version is None else f"{name}@{version}"
        self._function = function

    def embed(self, texts: Sequence[str]) -> "Sequence[Vector | Refusal]":
        """Return what the function makes of each text, or why it takes that one not."""
        return embedded_but_refused(texts, self._ask)

    def _ask(self, texts: Sequence[str]) -> "Sequence[Vector]":
        vectors = list(self._function(texts))
        if len(vectors) != len(texts):
            raise EmbedderBroken(
                f"{self.name} returned {len(vectors)} vectors for {len(texts)} texts: let it "
                f"return one a text"
            )
        return vectors


def _of_the_port(name: str, found: "Embedder") -> "Embedder":
    if not isinstance(found.name, str) or not isinstance(found.batch, int) or found.batch < 1:
        raise EmbedderMissing(
            f"{name}: let its name be a text and its batch a number from 1 on, not "
            f"{found.name!r:.80} and {found.batch!r:.80}"
        )
    return found


def _of_bedrock(spelling: Spelling, purpose: "Purpose") -> "Embedder":
    model, options = spelling.target, dict(spelling.options)
    if model == TITAN:
        widths = {str(width): width for width in TITAN_WIDTHS}
        titan = Titan(
            dimensions=_option(model, options, "dimensions", widths, "1024"),
            normalize=_option(model, options, "normalize", _TRUTH, "true"),
        )
        _refuse_others(model, options)
        return titan
    if model in COHERE:
        ways = {way: way for way in COHERE_TRUNCATES}
        cohere = Cohere(
            model, truncate=_option(model, options, "truncate", ways, "NONE"), purpose=purpose
        )
        _refuse_others(model, options)
        return cohere
    known = ", ".join((TITAN, *COHERE))
    raise EmbedderMissing(
        f"bedrock:{model:.200} is none of the models known here ({known}): name one of these, or "
        f"a function of your own"
    )


def _option(
    model: str, options: dict[str, str], name: str, values: Mapping[str, Any], default: str
) -> Any:
    value = options.pop(name, default)
    if value not in values:
        raise EmbedderMissing(
            f"bedrock:{model}: {name} is {value!r:.80}, write one of {', '.join(values)}"
        )
    return values[value]


def _refuse_others(model: str, options: Mapping[str, str]) -> None:
    if options:
        raise EmbedderMissing(
            f"bedrock:{model} has no option {next(iter(options))!r:.80}: leave it out"
        )


def _imported(name: str) -> "Embedder":
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise EmbedderMissing(
            f"{name}: {error}: install what is missing, or put the module where your functions "
            f"find it"
        ) from error
    except AttributeError as error:
        raise EmbedderMissing(f"{name}: {error}: spell it as it stands there") from error
    if not isinstance(found, type) and all(hasattr(found, part) for part in _PORT):
        return _of_the_port(name, found)
    if isinstance(found, type) or not callable(found):
        raise EmbedderMissing(
            f"{name} is of type {type(found).__name__}: name a function of texts that "
            f"returns a vector each, or an object with {', '.join(_PORT)}"
        )
    return Function(name, found)

"""How an embedder is spelled in a mapping: read without loading what it names.

local
bedrock:amazon.titan-embed-text-v2:0?dimensions=512
package.module:function
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl

from instep.errors import EmbedderMissing

Kind: TypeAlias = Literal["local", "bedrock", "function"]

_BEDROCK: Final = "bedrock:"
_WAYS: Final = "local, bedrock:MODEL, bedrock:MODEL?option=value or package.module:function"


@dataclass(frozen=True)
class Spelling:
    """What a name says. `target` is Bedrock's model id or a function's module and name, joined by a
    colon; `options` are Bedrock's alone.
    """

    kind: Kind
    target: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def spelled(name: str) -> Spelling:
    """Read the name of an embedder; EmbedderMissing, which shows how one is written."""
    if name == "local":
        return Spelling("local")
    if name.startswith(_BEDROCK):
        model, _, options = name.removeprefix(_BEDROCK).partition("?")
        return Spelling("bedrock", model, _options(name, options))
    module, _, attribute = name.partition(":")
    if attribute.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        return Spelling("function", name)
    raise EmbedderMissing(f"{name!r:.200} names no embedder: write {_WAYS}")


def _options(name: str, text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError as error:
        raise EmbedderMissing(
            f"{name!r:.200}: write options as ?option=value&option=value ({error})"
        ) from error
    options = dict(pairs)
    if len(options) < len(pairs):
        raise EmbedderMissing(f"{name!r:.200} says an option twice: leave one of them out")
    return options

"""A text with attributes in it: `{name}, {maker.country|somewhere}`; `{{` and `}}` are braces."""

import re
from dataclasses import dataclass
from typing import Final

from instep.domain import Item
from instep.mapping.attributes import AttributeAbsent, Path, find, path_of
from instep.mapping.values import in_words

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{(?P<slot>[^{}]*)\}|[^{}]+|(?P<lone>[{}])")


@dataclass(frozen=True)
class Slot:
    """Where an attribute goes, and what stands there when an item has none."""

    path: Path
    default: str | None = None


@dataclass(frozen=True)
class Template:
    """A template as it was written, and what it is made of."""

    source: str
    parts: tuple[str | Slot, ...]

    @classmethod
    def parse(cls, source: str) -> "Template":
        """Read a template; ValueError says what is wrong with it and where."""
        parts: list[str | Slot] = []
        for token in _TOKEN.finditer(source):
            if token["lone"]:
                raise ValueError(
                    f"a lone {token['lone']} at character {token.start() + 1}: an attribute is "
                    f"written {{name}}, a brace itself twice"
                )
            slot = token["slot"]
            parts.append(
                token[0].replace("{{", "{").replace("}}", "}") if slot is None else _slot(slot)
            )
        return cls(source, tuple(parts))

    @property
    def slots(self) -> list[Slot]:
        """Where attributes go."""
        return [part for part in self.parts if isinstance(part, Slot)]

    def render(self, item: Item) -> str:
        """Fill in an item; AttributeAbsent or another ItemRefused when it does not allow it."""
        return "".join(
            part if isinstance(part, str) else _filled(part, item) for part in self.parts
        )


def _slot(written: str) -> Slot:
    path, bar, default = written.partition("|")
    return Slot(path_of(path), default if bar else None)


def _filled(slot: Slot, item: Item) -> str:
    attribute = find(item, slot.path)
    words = None if attribute is None else in_words(attribute)
    if words is not None:
        return words
    if slot.default is None:
        raise AttributeAbsent(f"{'.'.join(slot.path)} is absent")
    return slot.default

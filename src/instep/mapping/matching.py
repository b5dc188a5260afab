"""Which items a collection takes: keys and attributes by pattern, number or bool."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from instep.domain import Item
from instep.mapping.attributes import Attribute, ItemRefused, Path, find
from instep.mapping.values import exact


@dataclass(frozen=True)
class Pattern:
    """A text in which every `*` stands for any characters, or for none."""

    glob: str

    @property
    def prefix(self) -> str:
        """What every text that matches begins with."""
        return self.glob.partition("*")[0]

    @property
    def is_exact(self) -> bool:
        """Whether one text alone matches."""
        return "*" not in self.glob

    def matches(self, text: str) -> bool:
        """Say whether a text matches, in one pass: each part where it first fits."""
        if self.is_exact:
            return text == self.glob
        first, *middle, last = self.glob.split("*")
        if not (text.startswith(first) and text.endswith(last)):
            return False
        at, end = len(first), len(text) - len(last)
        for part in middle:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return at <= end


Wanted: TypeAlias = Pattern | Decimal | bool


@dataclass(frozen=True)
class Condition:
    """That an attribute is one of some values; one that is absent, or no such thing, is not."""

    path: Path
    any_of: tuple[Wanted, ...]

    @property
    def said(self) -> list[str]:
        """What it asks for, as texts that differ where that differs."""
        return [_said(one) for one in self.any_of]

    def holds(self, item: Item) -> bool:
        """Say whether an item, or what is known of it, meets the condition."""
        try:
            attribute = find(item, self.path)
            return attribute is not None and any(_is(attribute, one) for one in self.any_of)
        except ItemRefused:
            return False


def _is(attribute: Attribute, wanted: Wanted) -> bool:
    if isinstance(wanted, Pattern):
        return attribute.kind == "S" and wanted.matches(attribute.value)
    if isinstance(wanted, bool):
        return attribute.kind == "BOOL" and attribute.value == wanted
    return attribute.kind == "N" and exact(attribute) == wanted


def _said(wanted: Wanted) -> str:
    if isinstance(wanted, Pattern):
        return f"text {wanted.glob}"
    return f"bool {wanted}" if isinstance(wanted, bool) else f"number {wanted}"

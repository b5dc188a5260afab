"""An item's attributes, found by a path into its maps, with DynamoDB's own name of their type.

Whatever lies in an item, what is raised over it is ItemRefused, with a reason that names the
attribute and never its value: reasons are counted, logged and sent to the DLQ.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from instep.domain import Item

Path: TypeAlias = tuple[str, ...]
"""The name of an attribute, and of members of maps in it."""

_PYTHON: Final[Mapping[str, type | tuple[type, ...]]] = {
    "S": str,
    "N": str,
    "B": (bytes, str),  # from boto3, or base64 as the stream has it
    "BOOL": bool,
    "NULL": bool,
    "M": Mapping,
    "L": list,
    "SS": list,
    "NS": list,
    "BS": list,
}
NAMES: Final[Mapping[str, str]] = {
    "S": "a text",
    "N": "a number",
    "B": "a binary",
    "BOOL": "a bool",
    "M": "a map",
    "L": "a list",
    "SS": "a set of texts",
    "NS": "a set of numbers",
    "BS": "a set of binaries",
}


class ItemRefused(ValueError):
    """One item that makes no embedding as the mapping asks; the message is the reason."""


class AttributeAbsent(ItemRefused):
    """An item has no value for what must have one."""


class Attribute(NamedTuple):
    """One attribute: what it is called in reasons, its DynamoDB type, and what is in it."""

    name: str
    kind: str
    value: Any

    def refused(self, wanted: str) -> ItemRefused:
        """Return the error that says what it is instead of what was wanted."""
        return ItemRefused(f"{self.name} is {NAMES[self.kind]}, {wanted}")


def path_of(text: str) -> Path:
    """Read a path: names with dots between them; ValueError when one is empty."""
    path = tuple(text.split("."))
    if not all(path):
        raise ValueError(f'"{text}" is no attribute, nor a path of names such as "maker.name"')
    return path


def find(item: Item, path: Path) -> Attribute | None:
    """Return the attribute at a path; None where nothing is, or NULL.

    ItemRefused where the path leads through what is no map.
    """
    within: Mapping[str, Any] = item
    for depth, name in enumerate(path, 1):
        if name not in within:
            return None
        attribute = read(within[name], ".".join(path[:depth]))
        if attribute is None or depth == len(path):
            return attribute
        if attribute.kind != "M":
            raise attribute.refused(f"and {'.'.join(path)} lies in a map")
        within = attribute.value
    return None


def read(written: object, name: str) -> Attribute | None:
    """Read one attribute of DynamoDB JSON; None for NULL."""
    if isinstance(written, Mapping) and len(written) == 1:
        [(kind, value)] = written.items()
        if isinstance(value, _PYTHON.get(kind, ())):
            return None if kind == "NULL" else Attribute(name, kind, value)
    raise ItemRefused(f"{name} is no attribute in DynamoDB JSON")

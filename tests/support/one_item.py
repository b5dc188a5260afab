"""One DynamoDB item as a value, written by moto: in earnest once for each kind of write.

What a write does depends on which of its names are equal and how its instants are ordered, not on
what they are. So both are numbered in order before moto is asked, and a write that has been made
with such an item is not made again: exploring makes millions of a few hundred.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from botocore.exceptions import ClientError

from instep.flow.lock_item import KEY

Value: TypeAlias = tuple[str, str, str]
"""Attribute or placeholder, type ("S" or "N"), value."""
Item: TypeAlias = tuple[Value, ...]
"""Sorted, without the key; empty when there is no item."""

_KEY: Final = {"collection": {"S": KEY}}
_AN_INSTANT: Final = 1_000_000  # no counter comes that far


class Write(NamedTuple):
    """An UpdateItem as it was asked for."""

    update: str
    condition: str | None
    names: tuple[tuple[str, str], ...]
    values: Item

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Write":
        """Take a client's parameters; what an answer should hold must be asked for."""
        condition = parameters.get("ConditionExpression")
        assert parameters["Key"] == _KEY
        assert parameters["ReturnValues"] == "ALL_NEW"
        if condition is not None:
            assert parameters["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
        names = parameters.get("ExpressionAttributeNames", {})
        values = item_of(parameters["ExpressionAttributeValues"])
        return cls(parameters["UpdateExpression"], condition, tuple(sorted(names.items())), values)


def item_of(attributes: Mapping[str, Mapping[str, str]]) -> Item:
    """Return what DynamoDB's JSON says."""
    return tuple(
        sorted(
            (name, kind, text)
            for name, value in attributes.items()
            for kind, text in value.items()
            if name not in _KEY
        )
    )


def attributes_of(item: Item) -> dict[str, Any]:
    """Return it as DynamoDB's JSON."""
    return {name: {kind: text} for name, kind, text in item}


@dataclass
class OneItem:
    """Makes writes to one item of a moto table."""

    client: Any
    table: str
    _known: dict[tuple[Item, Write], tuple[bool, Item]] = field(default_factory=dict)

    def write(self, item: Item, write: Write) -> tuple[bool, Item]:
        """Return whether the condition held, and the item after it."""
        to, back = _numbered([*item, *write.values])
        key = (_renamed(item, to), write._replace(values=_renamed(write.values, to)))
        if key not in self._known:
            self._known[key] = self._write(*key)
        held, after = self._known[key]
        return held, _renamed(after, back)

    def _write(self, item: Item, write: Write) -> tuple[bool, Item]:
        self.client.delete_item(TableName=self.table, Key=_KEY)
        if item:
            self.client.put_item(TableName=self.table, Item={**_KEY, **attributes_of(item)})
        options: Any = {}
        if write.condition is not None:
            options["ConditionExpression"] = write.condition
            options["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if write.names:
            options["ExpressionAttributeNames"] = dict(write.names)
        try:
            answer = self.client.update_item(
                TableName=self.table,
                Key=_KEY,
                UpdateExpression=write.update,
                ExpressionAttributeValues=attributes_of(write.values),
                ReturnValues="ALL_NEW",
                **options,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False, item
        return True, item_of(answer["Attributes"])


_Names: TypeAlias = dict[tuple[str, str], str]


def _numbered(values: Iterable[Value]) -> tuple[_Names, _Names]:
    """Return a number for each name, by appearance, and each instant, by time; and back."""
    found = dict.fromkeys((kind, text) for _, kind, text in values)
    names = [text for kind, text in found if kind == "S"]
    instants = [text for kind, text in found if kind == "N" and float(text) > _AN_INSTANT]
    to = {("S", name): f"name {at}" for at, name in enumerate(names)}
    to |= {
        ("N", text): f"{2 * _AN_INSTANT + at}"
        for at, text in enumerate(sorted(instants, key=float))
    }
    return to, {(kind, new): text for (kind, text), new in to.items()}


def _renamed(values: Item, to: _Names) -> Item:
    return tuple((name, kind, to.get((kind, text), text)) for name, kind, text in values)

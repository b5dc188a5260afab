"""`match` as it is written: an attribute's path, and the value it must have or a list of some."""

from decimal import Decimal
from typing import Any, Final

from instep.keys import KeySchema
from instep.mapping.attributes import path_of
from instep.mapping.matching import Condition, Pattern, Wanted
from instep.mapping.section import Section, shown

_LARGEST: Final = Decimal("1e126")  # what DynamoDB's numbers stay below
_LONGEST: Final = (2048, 1024)  # bytes of a partition key's text, and of a sort key's


def read_match(section: Section, schema: KeySchema) -> tuple[Condition, ...]:
    """Return the conditions, in order of their paths; Wrong for one that nothing can meet."""
    return tuple(_condition(section, key, schema) for key in sorted(section))


def _condition(section: Section, key: str, schema: KeySchema) -> Condition:
    try:
        path = path_of(key)
    except ValueError as error:
        raise section.wrong(key, str(error)) from error
    value = section.get(key)
    values = value if isinstance(value, list) else [value]
    if not values:
        raise section.wrong(key, "nothing is one of no values")
    wanted = tuple(_wanted(section, key, value) for value in values)
    if path[0] in schema.names:
        why = next((why for one in wanted if (why := _impossible(path, one, schema))), None)
        if why is not None:
            raise section.wrong(key, f"no item matches: {why}")
    return Condition(path, wanted)


def _wanted(section: Section, key: str, value: Any) -> Wanted:
    if isinstance(value, str):
        return Pattern(value)
    if isinstance(value, bool):
        return value
    if not isinstance(value, int | float):
        hint = f'; of a map write "{key}.NAME" = …' if isinstance(value, dict) else ""
        raise section.wrong(key, f"it is {shown(value)}, expected a text, a number or a bool{hint}")
    number = Decimal(repr(value))
    if not number.is_finite() or abs(number) >= _LARGEST:
        raise section.wrong(key, f"no item matches: DynamoDB has no number {shown(value)}")
    return number


def _impossible(path: tuple[str, ...], wanted: Wanted, schema: KeySchema) -> str | None:
    """Say why no key is as it is wanted."""
    place = schema.names.index(path[0])
    if len(path) > 1:
        return f"{path[0]} is part of the key, and no map"
    if schema.attributes[place].kind == "N":
        return None if type(wanted) is Decimal else f"{path[0]} is declared a number"
    if not isinstance(wanted, Pattern):
        return f"{path[0]} is a text (declare its type in [table] if it is not)"
    if not wanted.glob:
        return "a key has at least one character"
    if len(wanted.glob.replace("*", "").encode("utf-8", "replace")) > _LONGEST[place]:
        return f"a key has at most {_LONGEST[place]} bytes"
    return None

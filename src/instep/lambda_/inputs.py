"""Which execution inputs are accepted, and the answer that teaches whoever sent another.

The rule is the README's "start it from the console": `{}` or an event drains the inbox, `Records`
are worked on as they are, and `Ended` tells of an execution that ended red
(instep/cdk/triggers.py). All else is InputRejected, never guessed at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from instep.errors import InputRejected
from instep.flow.encoding import written
from instep.flow.envelope import Record

_EXAMPLE: Final = (
    '{"Records": [{"eventName": "REMOVE", "dynamodb": {"Keys": {"PK": {"S": "IMAGE#i1"}, '
    '"SK": {"S": "RECEIPT#00001"}}, "OldImage": {"TYPE": {"S": "RECEIPT"}}}}]}'
)
_SHAPES: Final = (
    "Accepted are: {} (drains the inbox); an EventBridge event, with `source` and `detail-type` "
    '(the same); and {"Records": [...]} alone, a list of DynamoDB stream records, as they are or '
    f"each in the `body` of an SQS message. For example: {_EXAMPLE}"
)


@dataclass(frozen=True)
class Drain:
    """Drain the inbox."""


@dataclass(frozen=True)
class Pasted:
    """Work on these records, beside whoever drains the inbox."""

    records: Sequence[Record]


@dataclass(frozen=True)
class Ended:
    """Another execution failed, timed out or was aborted: see what it left behind."""

    execution: str


Given: TypeAlias = Drain | Pasted | Ended


def read_input(content: Any) -> Given:
    """Return what an execution's input asks for; InputRejected shows the accepted shapes."""
    if not isinstance(content, dict):
        raise InputRejected(f"the input is {_kind(content)}. {_SHAPES}")
    if not content or {"source", "detail-type"} <= content.keys():
        return Drain()
    if content.keys() == {"Ended"} and isinstance(content["Ended"], str):
        return Ended(content["Ended"])
    if content.keys() != {"Records"}:
        names = _bounded(", ".join(sorted(content)))
        raise InputRejected(f"the input is an object with the keys {names}. {_SHAPES}")
    records = content["Records"]
    if not isinstance(records, list):
        raise InputRejected(f"`Records` is {_kind(records)}. {_SHAPES}")
    return Pasted(records)


def _kind(content: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    name = names.get(type(content), "null" if content is None else "a number")
    return f"{name}, {_bounded(written(content))}"


def _bounded(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]}… ({len(text)} characters)"

"""Which execution inputs are accepted, and the answer that teaches whoever sent another.

The rule is the README's "start it from the console": `{}` or an event drains the inbox, `Records`
are worked on as they are, `Sync` goes through the whole table, `Ended` tells of an execution that
ended red (instep/cdk/triggers.py), and `Probe` goes the whole way for every collection with nothing
to change (instep/cdk/probe.py). All else is InputRejected, never guessed at.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from instep.errors import InputRejected
from instep.flow.encoding import written
from instep.flow.envelope import Record
from instep.flow.recheck import Recheck

SEGMENTS: Final = 4
PROBED: Final = 10_000  # one id of so many is looked up, which shows that it can be
MOST_SEGMENTS: Final = 40  # items of a Map that run side by side in one execution

_EXAMPLE: Final = (
    '{"Records": [{"eventName": "REMOVE", "dynamodb": {"Keys": {"PK": {"S": "IMAGE#i1"}, '
    '"SK": {"S": "RECEIPT#00001"}}, "OldImage": {"TYPE": {"S": "RECEIPT"}}}}]}'
)
_SHAPES: Final = (
    "Accepted are: {} (drains the inbox); an EventBridge event, with `source` and `detail-type` "
    '(the same); {"Sync": {}} (goes through the whole table; {"Sync": {"collections": [NAME, ...], '
    '"segments": N}} for some collections only, in 1 to 40 segments side by side); '
    '{"Probe": {}} (goes the whole way and changes nothing that is in step); and '
    '{"Records": [...]} alone, a list of DynamoDB stream records, as they are or '
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


@dataclass(frozen=True)
class SyncTable:
    """Go through the whole table, for these collections, in so many segments."""

    collections: Sequence[str]
    segments: int


Given: TypeAlias = Drain | Pasted | Ended | SyncTable


def read_input(content: Any, collections: Collection[str]) -> Given:
    """Return what an execution's input asks for; InputRejected shows the accepted shapes.

    `collections` are those that there are.
    """
    if not isinstance(content, dict):
        raise InputRejected(f"the input is {_kind(content)}. {_SHAPES}")
    if not content or {"source", "detail-type"} <= content.keys():
        return Drain()
    if content.keys() == {"Ended"} and isinstance(content["Ended"], str):
        return Ended(content["Ended"])
    if content.keys() == {"Probe"}:
        return Pasted([Recheck(name, 0, PROBED).to_record() for name in sorted(collections)])
    if content.keys() == {"Sync"}:
        return _sync(content["Sync"], collections)
    if content.keys() != {"Records"}:
        names = _bounded(", ".join(sorted(content)))
        raise InputRejected(f"the input is an object with the keys {names}. {_SHAPES}")
    records = content["Records"]
    if not isinstance(records, list):
        raise InputRejected(f"`Records` is {_kind(records)}. {_SHAPES}")
    return Pasted(records)


def _sync(asked: Any, collections: Collection[str]) -> SyncTable:
    if not isinstance(asked, dict) or not asked.keys() <= {"collections", "segments"}:
        raise InputRejected(f"`Sync` is {_kind(asked)}. {_SHAPES}")
    names, number = asked.get("collections", sorted(collections)), asked.get("segments", SEGMENTS)
    there = list(collections)
    if not isinstance(names, list) or not names or not all(name in there for name in names):
        raise InputRejected(
            f"`Sync.collections` is {_kind(names)}; there are {', '.join(sorted(there))}. {_SHAPES}"
        )
    if type(number) is not int or not 1 <= number <= MOST_SEGMENTS:
        raise InputRejected(f"`Sync.segments` is {_kind(number)}. {_SHAPES}")
    return SyncTable(list(dict.fromkeys(names)), number)


def _kind(content: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    name = names.get(type(content), "null" if content is None else "a number")
    return f"{name}, {_bounded(written(content))}"


def _bounded(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]}… ({len(text)} characters)"

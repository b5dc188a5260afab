"""Some items of a real table, from all over it: what `instep check` tries a mapping on.

A Scan goes partition by partition, so its first items may all be of one kind; some segments of it,
read in turns, are not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Any, Final

from instep.cli.output import Refused, say_no
from instep.cli.session import find_target
from instep.domain import Item
from instep.keys import KeyAttribute, KeySchema
from instep.local.deploy import Deployment
from instep.mapping.model import TableMapping

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_SEGMENTS: Final = 16
_LARGEST_PAGE: Final = 100


@dataclass(frozen=True)
class Sample:
    """Items in DynamoDB JSON, with the attributes that the mapping names, and of which table."""

    table: str
    items: list[Item]


def read_sample(
    mapping: TableMapping, count: int, table: str | None, *, aws: bool, stack: str
) -> Sample:
    """Read so many items, or all when there are fewer; of the stack's table when none is named.

    Says no, with status 1, when the table's key is not the one of the mapping.
    """
    target = find_target(aws=aws)
    table = table or Deployment.read(target, stack).dynamodb_table_name
    dynamodb: DynamoDBClient = target.client("dynamodb")
    found, said = _key_of(dynamodb, table), mapping.table.schema
    if found != said:
        say_no(f"the key of {table} is {_shown(found)}, and of the mapping {_shown(said)}: [table]")
    names = chain.from_iterable(one.attributes for one in mapping.collections.values())
    attributes = list(dict.fromkeys(names))
    size = min(-(-count // _SEGMENTS), _LARGEST_PAGE)
    segments = [_segment(dynamodb, table, attributes, at, size) for at in range(_SEGMENTS)]
    in_turns = chain.from_iterable(zip_longest(*segments))
    return Sample(table, list(islice((item for item in in_turns if item is not None), count)))


def _segment(
    dynamodb: "DynamoDBClient", table: str, attributes: list[str], segment: int, size: int
) -> Iterator[Item]:
    names = {f"#{at}": name for at, name in enumerate(attributes)}
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        Segment=segment,
        TotalSegments=_SEGMENTS,
        ProjectionExpression=", ".join(names),
        ExpressionAttributeNames=names,
        PaginationConfig={"PageSize": size},
    )
    for page in pages:
        yield from page["Items"]


def _key_of(dynamodb: "DynamoDBClient", table: str) -> KeySchema:
    described = dynamodb.describe_table(TableName=table)["Table"]
    types = {
        one["AttributeName"]: one["AttributeType"] for one in described["AttributeDefinitions"]
    }
    keys = {
        one["KeyType"]: KeyAttribute(one["AttributeName"], _kind(types[one["AttributeName"]]))
        for one in described["KeySchema"]
    }
    return KeySchema(keys["HASH"], keys.get("RANGE"))


def _kind(type_: str) -> Any:
    if type_ not in {"S", "N"}:
        raise Refused("a binary attribute is part of the table's key: Instep follows none such")
    return type_


def _shown(schema: KeySchema) -> str:
    called = {"S": "text", "N": "number"}
    return ", ".join(f"{one.name} ({called[one.kind]})" for one in schema.attributes)

"""Write and delete many items: 25 a call, a few calls at a time, until the table took them all."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from instep.batched import batched
from instep.cli.output import Refused

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]
"""An item in DynamoDB JSON."""

_A_CALL: Final = 25
_THREADS: Final = 4


def read_items(file: Path) -> list[dict[str, Any]]:
    """Return the items of a file: a JSON list of objects, as people write them; or Refused."""
    try:
        found = json.loads(file.read_text(), parse_float=Decimal)
    except ValueError as error:
        raise Refused(f"{file} is not JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refused(f"{file} is no JSON list of items")
    return found


def in_dynamodb_json(item: Mapping[str, Any]) -> Item:
    """Return an item as DynamoDB's client takes it. Fractions are Decimals: it takes no float."""
    from boto3.dynamodb.types import TypeSerializer  # boto3, which --help need not wait for

    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in item.items()}


def put_items(
    dynamodb: "DynamoDBClient",
    table: str,
    items: Iterable[Item],
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Put every item; `progress` gets the number put so far. Returns how many."""
    return _write(dynamodb, table, ({"PutRequest": {"Item": item}} for item in items), progress)


def delete_items(dynamodb: "DynamoDBClient", table: str, items: Iterable[Item]) -> int:
    """Delete every item by its key. Returns how many."""
    schema = dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]
    names = [attribute["AttributeName"] for attribute in schema]
    keys = ({name: item[name] for name in names} for item in items)
    requests = ({"DeleteRequest": {"Key": key}} for key in keys)
    return _write(dynamodb, table, requests, lambda _: None)


def _write(
    dynamodb: "DynamoDBClient",
    table: str,
    requests: Iterable[Any],
    progress: Callable[[int], None],
) -> int:
    def write(chunk: Sequence[Any]) -> int:
        left = list(chunk)
        while left:
            answer = dynamodb.batch_write_item(RequestItems={table: left})
            left = list(answer.get("UnprocessedItems", {}).get(table, []))
        return len(chunk)

    done = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for count in pool.map(write, batched(requests, _A_CALL)):
            done += count
            progress(done)
    return done

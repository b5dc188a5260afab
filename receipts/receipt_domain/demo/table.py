"""Write and delete many items: 25 a call, a few calls at a time, until the table took them all."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]

_A_CALL: Final = 25
_THREADS: Final = 4


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
    keys = ({"PK": item["PK"], "SK": item["SK"]} for item in items)
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
        for count in pool.map(write, _chunks(requests)):
            done += count
            progress(done)
    return done


def _chunks(requests: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(requests)
    while chunk := list(islice(left, _A_CALL)):
        yield chunk

"""SQS's batch calls, each entry for itself: one that is refused takes no neighbour with it.

A call that is refused as a whole for what it holds is made again entry by entry; what a retry can
cure is told apart from what it cannot.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from botocore.exceptions import ClientError

from instep.aws.aws_errors import storage
from instep.batched import batched
from instep.errors import StorageUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef

THREADS: Final = 4

_OF_THE_CONTENT: Final = frozenset(
    {
        "BatchRequestTooLong",
        "InvalidAttributeValue",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "MissingParameter",
        "ReceiptHandleIsInvalid",
        "RequestEntityTooLarge",
        "ValidationError",
        "ValidationException",
    }
)

T = TypeVar("T")


@dataclass
class Called(Generic[T]):
    """What was not done: `refused` for good, with the service's code; `failed` for now."""

    refused: list[tuple[T, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, other: "Called[T]") -> None:
        """Take in what another call did not do."""
        self.refused += other.refused
        self.failed += other.failed


def call_each(
    act: str,
    call: Callable[[Sequence[T]], "list[BatchResultErrorEntryTypeDef]"],
    batches: Iterable[Sequence[T]],
) -> list[tuple[T, str]]:
    """Call once a batch, a few at a time; return the entries refused for good, with the code.

    `call` numbers its entries from 0 and returns those that failed. StorageUnavailable, after all
    was tried, for what a retry can cure; an error that no entry causes goes up at once.
    """

    def attempt(batch: Sequence[T]) -> Called[T]:
        return _attempt(act, call, batch)

    done = Called[T]()
    with ThreadPoolExecutor(THREADS) as pool:
        for few in batched(batches, THREADS):
            for called in pool.map(attempt, few):
                done.add(called)
    if done.failed:
        raise StorageUnavailable(f"{len(done.failed)} failures, the first: {done.failed[0]}")
    return done.refused


def _attempt(
    act: str,
    call: Callable[[Sequence[T]], "list[BatchResultErrorEntryTypeDef]"],
    batch: Sequence[T],
) -> Called[T]:
    called = Called[T]()
    try:
        with storage(act):
            entries = call(batch)
    except StorageUnavailable as error:
        called.failed.append(str(error))
        return called
    except ClientError as error:
        code = error.response["Error"]["Code"].rpartition(".")[2]
        if code not in _OF_THE_CONTENT:
            raise
        if len(batch) == 1:
            called.refused.append((batch[0], code))
        else:
            for one in batch:
                called.add(_attempt(act, call, [one]))
        return called
    for entry in entries:
        if entry["SenderFault"]:
            called.refused.append((batch[int(entry["Id"])], entry["Code"]))
        else:
            called.failed.append(f"{act}: {entry['Code']}")
    return called

"""Which answers of AWS a retry can cure: those become StorageUnavailable, all others go up as is.

The rule is style's: botocore's errors become ours in the few modules that talk to AWS, and a
missing permission or table is no outage, so it must not be retried as one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectionFailed

from instep.errors import StorageUnavailable

_THROTTLES: Final = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionConflictException",
    }
)


def is_transient(error: ClientError) -> bool:
    """Say whether the service throttled or failed, so that the same request may succeed later."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or status == 429 or error.response["Error"]["Code"] in _THROTTLES


@contextmanager
def storage(act: str) -> Iterator[None]:
    """Run an AWS call; raise StorageUnavailable, naming `act`, for what a retry can cure."""
    try:
        yield
    except ClientError as error:
        if is_transient(error):
            raise StorageUnavailable(f"{act}: {error}") from error
        raise
    except (ConnectionFailed, HTTPClientError) as error:
        raise StorageUnavailable(f"{act}: {error}") from error

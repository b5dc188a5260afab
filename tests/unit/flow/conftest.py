"""What the flow's unit tests share: services in this process, and a clock that a test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from instep.flow.lease import LeaseTable
from tests.support.aws import LOCKS, Services, services

MINUTES = timedelta(minutes=5)


class Hands:
    """A clock whose hands a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with services(monkeypatch) as made:
        yield made


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def leases(aws: Services, clock: Hands) -> LeaseTable:
    return LeaseTable(aws.dynamodb, LOCKS, MINUTES, clock)

"""Whatever the order of acquires, renewals, releases and hours that pass: one holder, one token.

The model is docs/design.md, "Two-phase lock", as plain Python over one item.
"""

from datetime import UTC, datetime, timedelta

import boto3
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)
from moto import mock_aws

from instep.errors import LeaseLost, LockBusy
from instep.flow.lease import Lease, LeaseTable

DURATION = timedelta(minutes=5)
PASSES = st.sampled_from(["a 1", "a 2", "b 1", "b 2", "c 1"])  # an owner's passes are its requests
SKEW = st.integers(-600, 600)  # seconds by which an actor's clock is off


class Leases(RuleBasedStateMachine):
    """Actors with clocks of their own against the table; the model knows holder, token, expiry."""

    held = Bundle("held")

    @initialize()
    def begin(self) -> None:
        self.mock = mock_aws()
        self.mock.start()
        client = boto3.client(
            "dynamodb", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        client.create_table(
            TableName="locks",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "collection", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "collection", "KeyType": "HASH"}],
        )
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.skew = timedelta()
        self.leases = LeaseTable(client, "locks", DURATION, lambda: self.now + self.skew)
        self.owner: str | None = None
        self.request: str | None = None
        self.expires_at = self.now
        self.tokens: list[int] = []

    def teardown(self) -> None:
        self.mock.stop()

    @rule(minutes=st.integers(1, 10))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(target=held, request=PASSES, skew=SKEW)
    def acquire(self, request: str, skew: int) -> object:
        self.skew = timedelta(seconds=skew)
        owner = request[0]
        free = self.owner in {None, owner} or self.expires_at < self.now + self.skew
        try:
            lease = self.leases.acquire("words", owner, request)
        except LockBusy:
            assert not free
            return multiple()
        except LeaseLost:
            assert (self.owner, self.request) == (None, request)
            return multiple()
        if (self.owner, self.request) == (owner, request):
            assert lease.fencing_token == self.tokens[-1], "a second try gets the first one's"
            return lease
        assert free
        assert self.request != request, "a pass that is over takes nothing"
        assert lease.fencing_token > max(self.tokens, default=0)
        self.tokens.append(lease.fencing_token)
        self.owner, self.request, self.expires_at = owner, request, lease.expires_at
        return lease

    @rule(lease=held, skew=SKEW)
    def renew(self, lease: Lease, skew: int) -> None:
        self.skew = timedelta(seconds=skew)
        try:
            self.expires_at = self.leases.renew(lease).expires_at
        except LeaseLost:
            assert not self._current(lease)
        else:
            assert self._current(lease)

    @rule(lease=held)
    def confirm(self, lease: Lease) -> None:
        try:
            self.leases.confirm(lease)
        except LeaseLost:
            assert not self._current(lease)
        else:
            assert self._current(lease)

    @rule(lease=held)
    def release(self, lease: Lease) -> None:
        released = self.leases.release(lease)
        assert (released is not None) == self._current(lease)
        if released is not None:
            self.owner = None

    @rule(request=PASSES)
    def release_unanswered(self, request: str) -> None:
        released = self.leases.release_unanswered("words", request[0], request)
        assert (released is not None) == ((self.owner, self.request) == (request[0], request))
        if released is not None:
            self.owner = None

    @invariant()
    def table_is_the_model(self) -> None:
        state = self.leases.read("words")
        if state is None:
            assert not self.tokens
        else:
            held = (state.owner, state.request, state.fencing_token)
            assert held == (self.owner, self.request, self.tokens[-1])

    def _current(self, lease: Lease) -> bool:
        return (self.owner, self.tokens[-1]) == (lease.owner, lease.fencing_token)


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

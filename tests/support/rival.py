"""Another execution, which takes the lease of a deployed collection and gives it back."""

from datetime import timedelta
from uuid import uuid4

from instep.clock import utc_now
from instep.flow.lease import LeaseTable
from tests.support.deployed import DeployedApp

_OWNER = "rival"


def comes(app: DeployedApp, collection: str) -> None:
    """Take the lease, which must be free."""
    _leases(app).acquire(collection, _OWNER, uuid4().hex)


def takes(app: DeployedApp, collection: str) -> None:
    """Take the lease from whoever holds it, as one for whom it has expired: in one write, since the
    holder's heartbeat comes between any two.
    """
    _leases(app, ahead=timedelta(hours=1)).acquire(collection, _OWNER, uuid4().hex)


def goes(app: DeployedApp, collection: str) -> None:
    """Give the lease back."""
    held = _leases(app).read(collection)
    assert held is not None
    _leases(app).release_unanswered(collection, _OWNER, str(held.request))


def _leases(app: DeployedApp, ahead: timedelta = timedelta(0)) -> LeaseTable:
    client, table = app.target.client("dynamodb"), app.deployment.lock_table_name
    return LeaseTable(client, table, timedelta(minutes=5), lambda: utc_now() + ahead)

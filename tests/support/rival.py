"""Another execution, which takes the lease of a deployed collection and gives it back."""

from datetime import timedelta
from uuid import uuid4

from instep.lease import LeaseTable
from tests.support.deployed import DeployedApp

_OWNER = "rival"


def comes(app: DeployedApp, collection: str) -> None:
    """Take the lease, which must be free."""
    _leases(app).acquire(collection, _OWNER, uuid4().hex)


def takes(app: DeployedApp, collection: str) -> None:
    """Let the lease expire, and take it."""
    app.target.client("dynamodb").update_item(
        TableName=app.deployment.lock_table_name,
        Key={"collection": {"S": collection}},
        UpdateExpression="SET expires_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    comes(app, collection)


def goes(app: DeployedApp, collection: str) -> None:
    """Give the lease back."""
    held = _leases(app).read(collection)
    assert held is not None
    _leases(app).release_unanswered(collection, _OWNER, str(held.request))


def _leases(app: DeployedApp) -> LeaseTable:
    client = app.target.client("dynamodb")
    return LeaseTable(client, app.deployment.lock_table_name, timedelta(minutes=5))

"""What others do while the deployed workflow runs, and which edges it must then take."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from instep.errors import LeaseLost, LockBusy, SnapshotConflict
from instep.local.faults import LetRival, calls
from tests.support import rival
from tests.support.cloud import eventually
from tests.support.deployed import DeployedApp
from tests.support.phases import until_settling
from tests.support.scenario import Promise, Scenario, Trouble

ROUND = "round"
COLLECTION = "words"


def contended() -> list[Scenario]:
    """Return what rivals do to a lease, to HEAD and to the inbox meanwhile."""
    busy = [Promise(ROUND, "AcquireLock", kind, LockBusy.__name__) for kind in ("Retry", "Catch")]
    busy += [Promise("runner", "Next?", "Choice", "Pause")]  # until the deferred one is back
    conflict = Promise(ROUND, "UploadSnapshot", "Catch", SnapshotConflict.__name__)
    again = (Promise(ROUND, "HasWork?", "Choice", "EachCollection"),)
    return [
        Scenario("more-arrives", again, _more_arrives),
        Scenario("busy", tuple(busy), lambda app: until_settling(app, rival_holds(app))),
        Scenario(
            "lease-lost-in-ApplyUpdates",
            (Promise(ROUND, "ApplyUpdates", "Catch", LeaseLost.__name__),),
            lambda app: until_settling(app, _rival_takes_from_a_worker(app)),
        ),
        Scenario(
            "lease-lost-in-UploadSnapshot",
            (Promise(ROUND, "UploadSnapshot", "Catch", LeaseLost.__name__),),
            lambda app: until_settling(app, _rival_takes_before_publish(app)),
        ),
        Scenario(
            "conflict",
            (conflict, Promise(ROUND, "Attempts?", "Choice", "ApplyUpdates")),
            _head_moves(times=1),
        ),
        Scenario(
            "conflict-again-and-again",
            (conflict, Promise(ROUND, "Attempts?", "Choice", "Deferred")),
            _head_moves(times=3),
        ),
    ]


def _more_arrives(app: DeployedApp) -> AbstractContextManager[object]:
    """While the first round settles, a message comes that says nothing new."""
    word = {"PK": {"S": "IMAGE#more"}, "SK": {"S": "RECEIPT#00001#LINE#00001#WORD#00001"}}
    gone = {
        "eventID": "more",
        "eventName": "REMOVE",
        "awsRegion": "us-east-1",
        "dynamodb": {"Keys": word, "OldImage": {**word, "TYPE": {"S": "RECEIPT_WORD"}}},
    }
    settling = calls(function=app.function("SettleBatch"))
    return app.proxy.failing(settling, LetRival(lambda: app.send(gone)))


@contextmanager
def rival_holds(app: DeployedApp) -> Iterator[None]:
    rival.comes(app, COLLECTION)
    try:
        yield
    finally:
        rival.goes(app, COLLECTION)


@contextmanager
def _rival_takes_before_publish(app: DeployedApp) -> Iterator[None]:
    take = LetRival(lambda: rival.takes(app, COLLECTION))
    with app.proxy.failing(calls(function=app.function("UploadSnapshot")), take):
        yield
    rival.goes(app, COLLECTION)


@contextmanager
def _rival_takes_from_a_worker(app: DeployedApp) -> Iterator[None]:
    """ApplyUpdates does not ask: its heartbeat finds out, so it works on until that has beaten."""
    worker = app.function("ApplyUpdates")
    beats = app.proxy.failing(calls("UpdateItem", function=worker), LetRival(_nothing), times=None)
    hasty = app.functions.configured("ApplyUpdates", HEARTBEAT_INTERVAL_SECONDS="0.2")
    with hasty, beats as beat:

        def take() -> None:
            rival.takes(app, COLLECTION)
            before = beat.hits
            eventually(lambda: beat.hits > before, "the worker's heart beats")

        with app.proxy.failing(calls("GetObject", function=worker), LetRival(take)):
            yield
    rival.goes(app, COLLECTION)


def _nothing() -> None:
    """A rival that only watches the call pass."""


def _head_moves(times: int | None) -> Trouble:
    """Just before HEAD is written another publisher writes it: other bytes, the same snapshot."""

    def trouble(app: DeployedApp) -> AbstractContextManager[object]:
        def move() -> None:
            s3, bucket = app.target.client("s3"), app.deployment.chromadb_bucket
            key = f"{COLLECTION}/HEAD"
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            s3.put_object(Bucket=bucket, Key=key, Body=body + b" ")

        put = calls("PutObject", function=app.function("UploadSnapshot"), path="/HEAD")
        return app.proxy.failing(put, LetRival(move), times=times)

    return trouble

"""What can happen to each state of the deployed workflow, and which edges it must then take.

tests/workflow/test_edges.py runs each scenario, and holds that together they promise every edge of
the definition.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from instep.errors import LeaseLost, LockBusy, SnapshotConflict, StorageUnavailable
from tests.support import rival
from tests.support.cloud import eventually
from tests.support.deployed import DeployedApp
from tests.support.due import fold_due
from tests.support.edges import Edge, all_states
from tests.support.scenario import Promise, Scenario, Trouble
from tools.local_cloud.faults import Drop, Hold, Kill, LetRival, Moment, Refuse, calls

TASKS = (
    "ParseBatch",
    "AcquireLock",
    "ApplyUpdates",
    "UploadSnapshot",
    "FoldSnapshot",
    "ReleaseLock",
    "SettleBatch",
)
COLLECTION = "words"
# A failure to us, but none that botocore itself tries again: its waits would be most of a test.
REFUSED = Refuse(507, "InsufficientStorage")
THROTTLED = "Lambda.TooManyRequestsException"
SHORT_TIMEOUT = 2  # seconds; the start of a process does not count
LOOKS = {"ParseBatch": 2}  # seconds it waits at an empty inbox, twice a long poll


def scenarios() -> list[Scenario]:
    """Return every scenario; names are unique."""
    return [
        *(
            _in_reach(state, scenario(state))
            for scenario in (refused, dies, hangs, throttled)
            for state in TASKS
        ),
        *_half_done(),
        *_ordinary(),
        *_contended(),
    ]


def _in_reach(state: str, scenario: Scenario) -> Scenario:
    """Return the scenario of a state, which for a fold happens when one is due."""
    if state != "FoldSnapshot":
        return scenario

    @contextmanager
    def trouble(app: DeployedApp) -> Iterator[None]:
        with fold_due(app, COLLECTION), scenario.trouble(app):
            yield

    due = Promise("NeedsFold?", "Choice", state)
    return replace(scenario, promises=(*scenario.promises, due), trouble=trouble, fails=False)


def _after_a_death(state: str, error: str) -> Promise:
    """A process that died is replaced, but for a fold's: the next run folds."""
    if state == "FoldSnapshot":
        return Promise(state, "Catch", "States.ALL")
    return Promise(state, "Retry", error)


def refused(state: str) -> Scenario:
    """Every AWS call of the state's function is refused, beyond all retries."""
    caught = state not in {"ParseBatch", "SettleBatch"}
    ways = [Promise(state, "Retry", StorageUnavailable.__name__)]
    ways += [Promise(state, "Catch", "States.ALL")] if caught else []
    failing = state in {"AcquireLock", "ApplyUpdates", "UploadSnapshot"}
    ways += [Promise("Outcome?", "Choice", "RunFailed")] if failing else []

    def trouble(app: DeployedApp) -> AbstractContextManager[object]:
        return app.proxy.failing(calls(function=app.function(state)), REFUSED, times=None)

    return Scenario(f"refused-{state}", tuple(ways), trouble, fails=state != "ReleaseLock")


def dies(state: str) -> Scenario:
    """The function's process is killed in the middle of its first call."""

    def trouble(app: DeployedApp) -> AbstractContextManager[object]:
        return app.proxy.failing(calls(function=app.function(state)), Kill(Moment.AFTER))

    return Scenario(f"dies-{state}", (_after_a_death(state, "Runtime.ExitError"),), trouble)


def hangs(state: str) -> Scenario:
    """The function's first call is not answered before the function's timeout."""

    @contextmanager
    def trouble(app: DeployedApp) -> Iterator[None]:
        held = app.proxy.failing(calls(function=app.function(state)), Hold())
        timeout = SHORT_TIMEOUT + LOOKS.get(state, 0)
        with app.functions.configured(state, timeout=timeout), held:
            yield

    return Scenario(f"hangs-{state}", (_after_a_death(state, "Sandbox.Timedout"),), trouble)


def throttled(state: str) -> Scenario:
    """Lambda itself refuses the state's call, always: only a mocked answer can say so here."""
    return Scenario(
        f"throttled-{state}",
        (Promise(state, "Retry", THROTTLED),),
        fails=state != "ReleaseLock",
        case=state,
    )


def mocked_platform(machine: str) -> dict[str, object]:
    """Return MiniStack's mock configuration for the scenarios that have a `case`."""
    refusal = {"Throw": {"Error": THROTTLED, "Cause": "Rate exceeded"}}
    cases = {state: {state: "refusal"} for state in TASKS}
    return {
        "StateMachines": {machine: {"TestCases": cases}},
        "MockedResponses": {"refusal": {"0": refusal}},
    }


def _half_done() -> list[Scenario]:
    """Deaths and lost answers just after something was done that a retry must recognize."""

    def died(name: str, state: str, operation: str, path: str = "") -> Scenario:
        def trouble(app: DeployedApp) -> AbstractContextManager[object]:
            made = calls(operation, function=app.function(state), path=path)
            return app.proxy.failing(made, Kill(Moment.AFTER))

        return Scenario(name, (Promise(state, "Retry", "Runtime.ExitError"),), trouble)

    def never_settles(app: DeployedApp) -> AbstractContextManager[object]:
        return app.proxy.failing(calls(function=app.function("SettleBatch")), Kill(), times=None)

    def unanswered(app: DeployedApp) -> AbstractContextManager[object]:
        put = calls("PutObject", function=app.function("UploadSnapshot"), path="/HEAD")
        return app.proxy.failing(put, Drop(Moment.AFTER))

    settle = (Promise("SettleBatch", "Retry", "Runtime.ExitError"),)
    return [
        died("dies-having-drained", "ParseBatch", "ReceiveMessage"),
        died("dies-having-published", "UploadSnapshot", "PutObject", "/HEAD"),
        Scenario("dies-between-publish-and-settle", settle, never_settles, fails=True),
        Scenario("answer-of-publish-lost", (), unanswered),
    ]


def _ordinary() -> list[Scenario]:
    happy = (
        Promise("HasWork?", "Choice", "EachCollection"),
        Promise("Changed?", "Choice", "UploadSnapshot"),
        Promise("NeedsFold?", "Choice", "Applied"),
        Promise("MoreWork?", "Choice", "ParseBatch"),
        Promise("Outcome?", "Choice", "Succeeded"),
    )
    idle = (Promise("HasWork?", "Choice", "Outcome?"),)
    same = (Promise("Changed?", "Choice", "Applied"),)
    again = (Promise("MoreWork?", "Choice", "ParseBatch"),)
    return [
        Scenario("happy", happy),
        Scenario("idle", idle, queued=False, changed=False),
        Scenario("nothing-changed", same, changed=False),
        Scenario("more-arrives", again, _more_arrives),
    ]


def _contended() -> list[Scenario]:
    busy = [Promise("AcquireLock", kind, LockBusy.__name__) for kind in ("Retry", "Catch")]
    deferred = Promise("MoreWork?", "Choice", "Outcome?")
    conflict = Promise("UploadSnapshot", "Catch", SnapshotConflict.__name__)
    return [
        Scenario("busy", (*busy, deferred), _rival_holds),
        Scenario(
            "lease-lost-in-ApplyUpdates",
            (Promise("ApplyUpdates", "Catch", LeaseLost.__name__),),
            _rival_takes_from_a_worker,
        ),
        Scenario(
            "lease-lost-in-UploadSnapshot",
            (Promise("UploadSnapshot", "Catch", LeaseLost.__name__),),
            _rival_takes_before_publish,
        ),
        Scenario(
            "conflict",
            (conflict, Promise("Attempts?", "Choice", "ApplyUpdates")),
            _head_moves(times=1),
        ),
        Scenario(
            "conflict-always",
            (conflict, Promise("Attempts?", "Choice", "Deferred")),
            _head_moves(times=None),
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
def _rival_holds(app: DeployedApp) -> Iterator[None]:
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


def covered(definition: Mapping[str, Any]) -> set[Edge]:
    """Return every edge that the scenarios promise together."""
    return {promise.find(definition) for case in scenarios() for promise in case.promises}


def tasks_of(definition: Mapping[str, Any]) -> set[str]:
    """Return the names of the definition's Task states."""
    return {name for name, state in all_states(definition).items() if state["Type"] == "Task"}

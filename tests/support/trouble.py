"""What can happen to the deployed workflow's functions, and which edges it must then take.

tests/workflow/test_edges.py runs each scenario, and holds that together they promise every edge of
both definitions, once for each function: the large path has the functions and clauses of a round's,
and is taken through all of them on moto's interpreter (tests/workflow/test_interpreter.py).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from instep.errors import LockBusy, StorageUnavailable
from instep.local.faults import Drop, Hold, Kill, Moment, Refuse, calls
from tests.support.contention import COLLECTION, contended, rival_holds
from tests.support.deployed import DeployedApp
from tests.support.due import fold_due
from tests.support.edges import Edge, Machines, all_states, edges_of
from tests.support.phases import from_settling, until_settling
from tests.support.scenario import Promise, Scenario, Trouble

ROUND, RUNNER = "round", "runner"
PLACES = {
    "ParseBatch": RUNNER,
    "AcquireLock": ROUND,
    "ApplyUpdates": ROUND,
    "UploadSnapshot": ROUND,
    "ReleaseLock": ROUND,
    "SettleBatch": ROUND,
    "FoldSnapshot": RUNNER,
    "SyncTable": RUNNER,
}
"""A state for each function, and whose it is here."""
NOT_IN_A_COLLECTION = {"ParseBatch", "SettleBatch", "SyncTable"}
SAME_FUNCTION = {"LockToFold": "AcquireLock", "ReleaseLockAfterFold": "ReleaseLock"}
# A failure to us, but none that botocore itself tries again: its waits would be most of a test.
REFUSED = Refuse(507, "InsufficientStorage")
THROTTLED = "Lambda.TooManyRequestsException"
SHORT_TIMEOUT = 2  # seconds; the start of a process does not count
LARGE = Promise(RUNNER, "Next?", "Choice", "EachCollection")
RED = Promise(RUNNER, "Next?", "Choice", "RunFailed")


def scenarios() -> list[Scenario]:
    """Return every scenario; names are unique."""
    return [
        *(
            _in_reach(state, scenario(state))
            for scenario in (refused, dies, hangs, throttled)
            for state in PLACES
        ),
        *_half_done(),
        *_ordinary(),
        *contended(),
        *_of_a_fold(),
    ]


def _in_reach(state: str, scenario: Scenario) -> Scenario:
    """Return the scenario of a state, which for a fold happens when one is due."""
    if state == "SyncTable":
        return replace(scenario, synced=True)
    if state != "FoldSnapshot":
        return scenario
    due = Promise(RUNNER, "Next?", "Choice", "EachFold")
    trouble = _with_a_fold_due(scenario.trouble)
    return replace(scenario, promises=(*scenario.promises, due), trouble=trouble, fails=False)


def _with_a_fold_due(inner: Trouble) -> Trouble:
    @contextmanager
    def trouble(app: DeployedApp) -> Iterator[None]:
        with fold_due(app, COLLECTION), inner(app):
            yield

    return trouble


def _after_a_death(state: str, error: str) -> tuple[Promise, ...]:
    """A process that died is replaced, but for a fold's and a small round's ApplyUpdates: the next
    run folds, and the next round has more patience.
    """
    if state == "FoldSnapshot":
        return (Promise(RUNNER, state, "Catch", "States.ALL"),)
    if state == "ApplyUpdates":
        return (Promise(ROUND, state, "Catch", "States.ALL"), LARGE, RED)
    return (Promise(PLACES[state], state, "Retry", error),)


def refused(state: str) -> Scenario:
    """Every AWS call of the state's function is refused, beyond all retries; for a collection's
    states as long as the first round.
    """
    machine, in_the_map = PLACES[state], state not in NOT_IN_A_COLLECTION
    failing = state in {"AcquireLock", "ApplyUpdates", "UploadSnapshot"}
    ways = [Promise(machine, state, "Retry", StorageUnavailable.__name__)]
    caught = in_the_map or state == "SettleBatch"
    ways += [Promise(machine, state, "Catch", "States.ALL")] if caught else []
    ways += [LARGE, RED] if failing else []

    def trouble(app: DeployedApp) -> AbstractContextManager[object]:
        every = calls(function=app.function(state))
        refusal = app.proxy.failing(every, REFUSED, times=None)
        return until_settling(app, refusal) if machine == ROUND and in_the_map else refusal

    return Scenario(f"refused-{state}", tuple(ways), trouble, fails=state != "ReleaseLock")


def dies(state: str) -> Scenario:
    """The function's process is killed in the middle of its first call."""

    def trouble(app: DeployedApp) -> AbstractContextManager[object]:
        return app.proxy.failing(calls(function=app.function(state)), Kill(Moment.AFTER))

    ways = _after_a_death(state, "Runtime.ExitError")
    return Scenario(f"dies-{state}", ways, trouble, fails=RED in ways)


def hangs(state: str) -> Scenario:
    """The function's first call is not answered before the function's timeout."""

    @contextmanager
    def trouble(app: DeployedApp) -> Iterator[None]:
        held = app.proxy.failing(calls(function=app.function(state)), Hold())
        with app.functions.configured(state, timeout=SHORT_TIMEOUT), held:
            yield

    ways = _after_a_death(state, "Sandbox.Timedout")
    return Scenario(f"hangs-{state}", ways, trouble, fails=RED in ways)


def throttled(state: str) -> Scenario:
    """Lambda itself refuses the state's call, always: only a mocked answer can say so here."""
    return Scenario(
        f"throttled-{state}",
        (Promise(PLACES[state], state, "Retry", THROTTLED),),
        fails=state != "ReleaseLock",
        case=state,
    )


def mocked_platform(runner: str, round_: str) -> dict[str, object]:
    """Return MiniStack's mock configuration for the scenarios that have a `case`, by the machines'
    names.
    """
    refusal = {"Throw": {"Error": THROTTLED, "Cause": "Rate exceeded"}}
    unstarted = {"Throw": {"Error": "Sfn.SfnException", "Cause": "Rate exceeded"}}
    cases: dict[str, dict[str, dict[str, str]]] = {RUNNER: {"Round": {"Round": "unstarted"}}}
    for state, machine in PLACES.items():
        cases.setdefault(machine, {})[state] = {state: "refusal"}
    return {
        "StateMachines": {
            runner: {"TestCases": cases[RUNNER]},
            round_: {"TestCases": cases[ROUND]},
        },
        "MockedResponses": {"refusal": {"0": refusal}, "unstarted": {"0": unstarted}},
    }


def _half_done() -> list[Scenario]:
    """Deaths and lost answers just after something was done that a retry must recognize."""

    def died(name: str, state: str, operation: str, path: str = "") -> Scenario:
        def trouble(app: DeployedApp) -> AbstractContextManager[object]:
            made = calls(operation, function=app.function(state), path=path)
            return app.proxy.failing(made, Kill(Moment.AFTER))

        return Scenario(name, _after_a_death(state, "Runtime.ExitError"), trouble)

    def never_settles(app: DeployedApp) -> AbstractContextManager[object]:
        return app.proxy.failing(calls(function=app.function("SettleBatch")), Kill(), times=None)

    def never_looks_again(app: DeployedApp) -> AbstractContextManager[object]:
        every = calls(function=app.function("ParseBatch"))
        return from_settling(app, app.proxy.failing(every, REFUSED, times=None))

    def large_round(app: DeployedApp) -> AbstractContextManager[object]:
        app.after_a_death()
        return app.proxy.failing(calls(function=app.function("ApplyUpdates")), Kill())

    def unanswered(app: DeployedApp) -> AbstractContextManager[object]:
        put = calls("PutObject", function=app.function("UploadSnapshot"), path="/HEAD")
        return app.proxy.failing(put, Drop(Moment.AFTER))

    settle = (
        Promise(ROUND, "SettleBatch", "Retry", "Runtime.ExitError"),
        Promise(ROUND, "SettleBatch", "Catch", "States.ALL"),
        RED,
    )
    look = (Promise(ROUND, "ParseBatch", "Retry", StorageUnavailable.__name__),)
    large = (LARGE, Promise(RUNNER, "ApplyUpdates", "Retry", "Runtime.ExitError"))
    started = (Promise(RUNNER, "Round", "Retry", "States.TaskFailed"),)
    return [
        died("dies-having-drained", "ParseBatch", "ReceiveMessage"),
        died("dies-having-published", "UploadSnapshot", "PutObject", "/HEAD"),
        Scenario("dies-between-publish-and-settle", settle, never_settles, fails=True),
        Scenario("dies-in-its-second-look", look, never_looks_again, fails=True),
        Scenario("dies-in-a-large-round", large, large_round),
        Scenario("round-never-starts", started, fails=True, case="Round"),
        Scenario("answer-of-publish-lost", (), unanswered),
    ]


def _ordinary() -> list[Scenario]:
    happy = (
        Promise(RUNNER, "Next?", "Choice", "Round"),
        Promise(ROUND, "Parsed?", "Choice", "EachCollection"),
        Promise(ROUND, "Changed?", "Choice", "UploadSnapshot"),
        Promise(ROUND, "Parsed?", "Choice", "ParseBatch"),
        Promise(ROUND, "HasWork?", "Choice", "Looked"),
        Promise(RUNNER, "Next?", "Choice", "Succeeded"),
    )
    idle = (Promise(RUNNER, "Next?", "Choice", "Succeeded"),)
    same = (Promise(ROUND, "Changed?", "Choice", "Applied"),)
    sync = (
        Promise(RUNNER, "Next?", "Choice", "EachSegment"),
        Promise(RUNNER, "MorePieces?", "Choice", "SyncTable"),
        Promise(RUNNER, "MorePieces?", "Choice", "SegmentSynced"),
    )
    return [
        Scenario("happy", happy),
        Scenario("idle", idle, queued=False, changed=False),
        Scenario("nothing-changed", same, changed=False),
        Scenario("whole-table", sync, synced=True),
    ]


def _of_a_fold() -> list[Scenario]:
    """What a fold's own lease meets, and a fold that is the last thing to do."""

    def refused_from_settling(state: str) -> Trouble:
        def trouble(app: DeployedApp) -> AbstractContextManager[object]:
            every = calls(function=app.function(state))
            return from_settling(app, app.proxy.failing(every, REFUSED, times=None))

        return _with_a_fold_due(trouble)

    def refused(state: str) -> Scenario:
        ways = [("Retry", StorageUnavailable.__name__), ("Catch", "States.ALL")]
        promises = tuple(Promise(RUNNER, state, *way) for way in ways)
        look = Promise(RUNNER, "AfterFold?", "Choice", "Pause")
        return Scenario(f"refused-{state}", (*promises, look), refused_from_settling(state))

    busy = (Promise(RUNNER, "LockToFold", "Retry", LockBusy.__name__),)
    last = (Promise(RUNNER, "AfterFold?", "Choice", "Succeeded"),)
    rival = _with_a_fold_due(lambda app: from_settling(app, rival_holds(app)))
    quiet = _with_a_fold_due(lambda _: nullcontext())
    return [
        refused("LockToFold"),
        refused("ReleaseLockAfterFold"),
        Scenario("busy-fold", busy, rival),
        Scenario("pasted-records-and-a-fold", last, quiet, pasted=True),
    ]


def uncovered(machines: Machines) -> set[str]:
    """Return the edges that no scenario promises, neither where they are nor where the same
    function is called under the same clauses: as state, kind and label.
    """
    promised = {
        _of_a_function(promise.find(machines)) for case in scenarios() for promise in case.promises
    }
    return {_of_a_function(edge) for edge in edges_of(machines)} - promised


def _of_a_function(edge: Edge) -> str:
    return f"{SAME_FUNCTION.get(edge.state, edge.state)}-{edge.kind}-{edge.label}"


def tasks_of(machines: Machines) -> set[str]:
    """Return the names of the Task states, of several that call one function the first."""
    states = [all_states(definition).items() for definition in machines.values()]
    tasks = {name for each in states for name, state in each if state["Type"] == "Task"}
    return {SAME_FUNCTION.get(name, name) for name in tasks}

"""What goes wrong during a soak, and when: planned from a seed, then done to a deployed app."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from math import pi, sin
from random import Random
from threading import Event
from time import monotonic
from typing import Any

from benchmarks.beside import beside
from benchmarks.live import COLLECTIONS, LiveApp
from instep.clock import utc_now
from instep.local.fault_proxy import FaultProxy
from instep.local.faults import Drop, Fault, Kill, Moment, Refuse
from instep.local.wire import AwsCall

ABORTED, STOLEN = "execution_aborted", "lease_stolen"
FAULTS: Mapping[str, tuple[Fault, int]] = {  # and how many calls it strikes at most
    "call_unavailable": (Refuse(503, "ServiceUnavailable"), 40),
    "call_throttled": (Refuse(400, "ThrottlingException"), 40),
    "call_dropped": (Drop(Moment.BEFORE), 5),
    "answer_lost": (Drop(Moment.AFTER), 5),
    "function_killed": (Kill(Moment.BEFORE), 1),
    "function_killed_after_its_call": (Kill(Moment.AFTER), 1),
}
KINDS = (ABORTED, STOLEN, *FAULTS)

_AT_NIGHT = "sweep_versions"  # runs once a day: there would be nothing to strike
_EVERY = 6.0  # seconds between two troubles, in the mean
_STOLEN_SECONDS = (1.0, 30.0)
_FAULT_SECONDS = (0.5, 4.0)
_STRUCK = 0.5  # of a function's calls while a fault lasts: some tries get through
_PERIOD, _SLOWEST, _FASTEST = 240.0, 1.0, 20.0  # the rate's wave: seconds, edits a second
_BURST_EVERY, _BURST, _BURST_RATE = 60.0, (50, 300), 100.0


@dataclass(frozen=True)
class Trouble:
    """Of a kind, due so many seconds after the start, for so long; `dice` decides on its victim."""

    due: float
    kind: str
    lasts: float
    dice: float


def plan(seed: int, seconds: float) -> list[Trouble]:
    """Return the troubles of so many seconds, of every kind alike: the same seed, the same plan."""
    random = Random(seed)  # noqa: S311 - reproducible, guards nothing
    due, troubles = 0.0, []
    while (due := due + random.expovariate(1 / _EVERY)) < seconds:
        kind = random.choice(KINDS)
        lasts = random.uniform(*(_STOLEN_SECONDS if kind == STOLEN else _FAULT_SECONDS))
        troubles.append(Trouble(due, kind, lasts, random.random()))
    return troubles


def traffic(seed: int, seconds: float) -> list[float]:
    """Return when each edit is due: a wave from 1 to 20 a second, and bursts at random moments."""
    random = Random(seed)  # noqa: S311
    edits, at = [], 0.0
    while at < seconds:
        edits.append(at)
        middle, swing = (_FASTEST + _SLOWEST) / 2, (_FASTEST - _SLOWEST) / 2
        at += 1 / (middle - swing * sin(2 * pi * at / _PERIOD + pi / 2))
    burst = 0.0
    while (burst := burst + random.expovariate(1 / _BURST_EVERY)) < seconds:
        edits += [burst + number / _BURST_RATE for number in range(random.randint(*_BURST))]
    return sorted(edits)


class Troublemaker:
    """Does a plan's troubles to an app whose functions' calls go through the proxy.

    `done` counts them by kind; `happened`: when each began (monotonic seconds).
    """

    def __init__(self, app: LiveApp, proxy: FaultProxy) -> None:
        self._app, self._proxy = app, proxy
        self.done: Counter[str] = Counter()
        self.happened: list[tuple[float, str]] = []

    def at_work(self, troubles: Iterable[Trouble]) -> AbstractContextManager[None]:
        """Do each trouble when it is due, until the block ends."""
        began = monotonic()

        def work(ended: Event) -> None:
            for trouble in troubles:
                if ended.wait(max(0.0, began + trouble.due - monotonic())):
                    return
                self._do(trouble, ended)

        return beside(work, "trouble")

    def _do(self, trouble: Trouble, ended: Event) -> None:
        if trouble.kind == ABORTED:
            self._abort(trouble)
        elif trouble.kind == STOLEN:
            self._steal(trouble)
        else:
            self._fail(trouble, ended)

    def _abort(self, trouble: Trouble) -> None:
        """Stop an execution that runs; none: nothing is done, and nothing counted."""
        running = self._app.running()
        if running:
            client: Any = self._app.session.stepfunctions
            with suppress(client.exceptions.ExecutionDoesNotExist):
                client.stop_execution(
                    executionArn=running[int(trouble.dice * len(running))], error="Bench.Aborted"
                )
                self.done[ABORTED] += 1
                self._note(ABORTED)

    def _steal(self, trouble: Trouble) -> None:
        collection = COLLECTIONS[int(trouble.dice * len(COLLECTIONS))]
        steal(self._app, collection, trouble.lasts)
        self.done[STOLEN] += 1
        self._note(f"{STOLEN} of {collection}")

    def _fail(self, trouble: Trouble, ended: Event) -> None:
        """Let some calls of one function fail for a while; counted are the calls struck."""
        victim = victim_of(self._app, trouble.dice)
        deployed = self._app.logs.functions[victim]["FunctionName"]
        random = Random(trouble.dice)  # noqa: S311
        fault, times = FAULTS[trouble.kind]
        self._note(f"{trouble.kind} in {victim}")

        def matches(call: AwsCall) -> bool:
            return call.function == deployed and random.random() < _STRUCK

        with self._proxy.failing(matches, fault, times) as rule:
            ended.wait(trouble.lasts)
        self.done[trouble.kind] += rule.hits

    def _note(self, what: str) -> None:
        self.happened.append((monotonic(), what))


def steal(app: LiveApp, collection: str, seconds: float) -> None:
    """Let the lock table say that a stranger has a collection's lease, until it lapses."""
    app.session.dynamodb.update_item(
        TableName=app.session.deployment.lock_table_name,
        Key={"collection": {"S": collection}},
        UpdateExpression="SET #owner = :owner, expires_at = :until, acquired_at = :now "
        "ADD fencing_token :one",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues={
            ":owner": {"S": "a-stranger"},
            ":until": {"N": f"{utc_now().timestamp() + seconds:.3f}"},
            ":now": {"N": f"{utc_now().timestamp():.3f}"},
            ":one": {"N": "1"},
        },
    )


def victim_of(app: LiveApp, dice: float) -> str:
    """Return the function that the dice point at, as `app.logs` knows it."""
    names = sorted(app.logs.functions.keys() - {_AT_NIGHT})
    return names[int(dice * len(names))]

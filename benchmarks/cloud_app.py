"""The app deployed on the benchmark's local cloud: written to, run, and asked what a run took."""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmarks.function_logs import FunctionLogs
from instep.aws.objects import Objects
from instep.cli.filling import put_items
from instep.local.deploy import Deployment
from instep.local.executions import Step, follow, start
from instep.local.metrics import metric_sums
from instep.local.target import Target

_POLL_SECONDS = 0.1
_WAIT_SECONDS = 120


class RunFailed(Exception):
    """A run did not do what it was started for: its figures would be worthless."""


@dataclass(frozen=True)
class CloudRun:
    """Seconds of the execution and of each state, bytes of snapshots fetched and stored."""

    seconds: float
    states: Mapping[str, float]
    down: int
    up: int


@dataclass(frozen=True)
class CloudApp:
    """A deployment that only `run` starts; `quiet` has to be called first."""

    target: Target
    deployment: Deployment

    @property
    def objects(self) -> Objects:
        """The bucket of snapshots."""
        return Objects(self.target.client("s3"), self.deployment.chromadb_bucket)

    def quiet(self) -> None:
        """Let no event start the workflow."""
        events, machine = self.target.client("events"), self.deployment.state_machine_arn
        for rule in events.list_rules()["Rules"]:
            targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            if machine in {target["Arn"] for target in targets}:
                events.disable_rule(Name=rule["Name"])

    def put(self, items: Collection[Mapping[str, Any]]) -> None:
        """Write items (DynamoDB JSON), each of which says something, to the entity table, and wait
        until ingest has read them.
        """
        awaited = self._ingested() + len(items)
        put_items(self.target.client("dynamodb"), self.deployment.dynamodb_table_name, items)
        pause = threading.Event()
        for _ in range(int(_WAIT_SECONDS / _POLL_SECONDS)):
            if self._ingested() >= awaited:
                return
            pause.wait(_POLL_SECONDS)
        raise RunFailed(f"ingest has read {self._ingested()} of {awaited} records")

    def discard(self) -> None:
        """Forget what waits in the inbox."""
        self.target.client("sqs").purge_queue(QueueUrl=self.deployment.inbox_queue_url)

    def run(self) -> CloudRun:
        """Drain the inbox by one execution and return what it took; RunFailed."""
        before = self._logged_bytes()
        steps: list[Step] = []
        client = self.target.client("stepfunctions")
        outcome = follow(client, start(client, self.deployment.state_machine_arn), steps.append)
        if not outcome.succeeded:
            raise RunFailed(f"{outcome.status}: {outcome.error} {outcome.cause}")
        if "UploadSnapshot" not in {step.state for step in steps}:
            raise RunFailed("the run published nothing")
        down, up = self._logged_bytes()
        return CloudRun(
            (outcome.stopped - outcome.started).total_seconds(),
            _seconds(steps),
            down=down - before[0],
            up=up - before[1],
        )

    @cached_property
    def logs(self) -> FunctionLogs:
        """What its functions said."""
        return FunctionLogs(self.target)

    def _ingested(self) -> int:
        return metric_sums(self.logs.texts("ingest"))["StreamRecordsReceived"]

    def _logged_bytes(self) -> tuple[int, int]:
        """Bytes that the functions have fetched of snapshots, and stored of them, so far."""
        down = [
            line.fields.get("bytes", 0)
            for name in self.logs.functions
            for line in self.logs.lines(name, "Snapshot downloaded")
        ]
        up = [
            line.fields.get("bytes", 0)
            for name in self.logs.functions
            for message in ("Updates applied", "Snapshot folded")
            for line in self.logs.lines(name, message)
        ]
        return sum(down), sum(up)


def _seconds(steps: Iterable[Step]) -> dict[str, float]:
    """Return the seconds spent in each state, a state entered twice counted twice."""
    took: dict[str, float] = defaultdict(float)
    entered: dict[str, Step] = {}
    for step in steps:
        if step.what == "entered":
            entered[step.state] = step
        elif step.what == "exited" and step.state in entered:
            took[step.state] += (step.at - entered.pop(step.state).at).total_seconds()
    return took

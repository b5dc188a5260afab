"""The runner: the state machine that people and events start, in reading order.

It looks into the inbox, round after round until nothing is left, at the pace of the configuration.
A round is an Express execution (round.py), or the runner's own when it is large. Standard type: an
execution outlives a Lambda function, and its history says for 90 days what happened.
"""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from instep.cdk.batch_path import BatchPath
from instep.cdk.config import Config
from instep.cdk.fold_path import EachFold
from instep.cdk.functions import Functions
from instep.cdk.machine import state_machine
from instep.cdk.parse_batch import ParseBatch
from instep.cdk.patience import LARGE_ROUND
from instep.cdk.rollout import version_of
from instep.cdk.round import LONGEST as LONGEST_ROUND
from instep.cdk.round import Round
from instep.cdk.sync_path import EachSegment

COUNTERS = ("looks", "rounds", "failures", "deferred", "rejected", "busy", "stuck")
FIRST_LOOK = {
    "execution": sfn.JsonPath.string_at("$$.Execution.Name"),
    "started": sfn.JsonPath.string_at("$$.Execution.StartTime"),
    "input": sfn.JsonPath.object_at("$$.Execution.Input"),
    "tally": {**dict.fromkeys(COUNTERS, 0), "cause": "", "unfolded": {}},
}
LONGEST = Duration.hours(6)  # it hands over after one; a large round may take two


class Workflow(Construct):
    """Wires the states below, in the order they run, into one state machine."""

    def __init__(self, scope: Construct, id_: str, *, config: Config, functions: Functions) -> None:
        super().__init__(scope, id_)
        self.round = Round(self, "Round", config=config, functions=functions)
        parse = ParseBatch(self, "Parse", function=functions.parse_batch, payload=FIRST_LOOK).state
        small = SmallRound(self, "Small", round_=self.round).state
        large = BatchPath(self, "Large", functions=functions, patience=LARGE_ROUND)
        fold = EachFold(self, "Folds", functions=functions).state
        sync = EachSegment(self, "Sync", functions=functions).state
        pause = Pause(self, "Pace").state
        end = End(self, "End")
        after = AfterFold(self, "Then", look=pause, end=end).state
        next_ = Next(
            self, "Next", small=small, large=large.first, fold=fold, sync=sync, look=pause, end=end
        ).state

        parse.next(next_)
        small.next(next_)
        large.next(next_)
        fold.next(after)
        sync.next(end.succeeded)
        pause.next(small)

        self.machine = state_machine(
            self,
            parse,
            name=config.name,
            config=config,
            kind=sfn.StateMachineType.STANDARD,
            timeout=LONGEST,
            level=sfn.LogLevel.ALL,
            comment="Keeps ChromaDB collections on S3 in step with a DynamoDB table.",
            calls=[
                functions.parse_batch,
                functions.fold_snapshot,
                functions.sync_table,
                *functions.of_a_batch,
            ],
            allowed=[
                iam.PolicyStatement(
                    actions=["states:StartSyncExecution"],
                    # Authorized by the machine's own ARN, whichever version is started.
                    resources=[self.round.machine.state_machine_arn],
                ),
            ],
        )
        self.pinned = version_of(self.machine, config)


class SmallRound(Construct):
    """The work of a look, or one look more and its work, by an execution that is waited for.

    That one ends in an answer whatever happens in it. If it died there is none, and the runner
    dies too: it is followed by a new one, with time for a large round.
    """

    def __init__(self, scope: Construct, id_: str, *, round_: Round) -> None:
        super().__init__(scope, id_)
        self.state = tasks.CallAwsService(
            self,
            "Round",
            service="sfn",
            action="startSyncExecution",
            iam_resources=[round_.machine.state_machine_arn],
            parameters={
                "StateMachineArn": round_.pinned,
                "Input": sfn.JsonPath.json_to_string(sfn.JsonPath.object_at("$")),
            },
            result_selector={
                "state": sfn.JsonPath.string_to_json(sfn.JsonPath.string_at("$.Output"))
            },
            output_path="$.state",
            task_timeout=sfn.Timeout.duration(LONGEST_ROUND.plus(Duration.seconds(30))),
            comment="Drain, apply, publish and settle (round.py); or find nothing.",
        )
        self.state.add_retry(
            errors=["States.TaskFailed"],  # it could not be started
            interval=Duration.seconds(1),
            max_attempts=5,
            backoff_rate=2,
            jitter_strategy=sfn.JitterType.FULL,
        )


class Next(Construct):
    """What the round said that follows; red only when something failed, with a cause to act on."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        small: sfn.IChainable,
        large: sfn.IChainable,
        fold: sfn.IChainable,
        sync: sfn.IChainable,
        look: sfn.IChainable,
        end: "End",
    ) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Choice(
            self,
            "Next?",
            comment="Again, until a look finds nothing that is or will be there. No default: a "
            "round that gave no such answer ends the execution red.",
        )
        self.state.when(_says("next", "look"), look)
        self.state.when(_says("next", "work"), small)
        self.state.when(_says("next", "large"), large)
        self.state.when(_says("next", "fold"), fold)
        self.state.when(_says("next", "sync"), sync)
        end.close(self.state, "next")


class AfterFold(Construct):
    """A fold is no reason to end, nor to go on."""

    def __init__(self, scope: Construct, id_: str, *, look: sfn.IChainable, end: "End") -> None:
        super().__init__(scope, id_)
        self.state = sfn.Choice(self, "AfterFold?", comment="As if there had been none.")
        self.state.when(_says("then", "look"), look)
        end.close(self.state, "then")


class Pause(Construct):
    """The pace: rounds start no closer than `roundSeconds`, and what is hidden is waited for."""

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Wait(
            self,
            "Pause",
            time=sfn.WaitTime.seconds_path("$.pause"),
            comment="Whoever queues work meanwhile knows that it will be seen to.",
        )


class End(Construct):
    """The execution's colour: red only when something failed. Deferred is no failure."""

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self.failed = sfn.Fail(
            self,
            "RunFailed",
            error="CompactionFailed",
            cause_path="$.tally.cause",
            comment="The messages of what failed are in the inbox again, or in the DLQ.",
        )
        self.succeeded = sfn.Succeed(
            self, "Succeeded", comment="All that was taken is applied, or another run has it."
        )

    def close(self, choice: sfn.Choice, what: str) -> None:
        """Make this the rest of a choice, whose `what` says "end"."""
        failures = sfn.Condition.number_greater_than("$.tally.failures", 0)
        choice.when(failures, self.failed)
        choice.when(_says(what, "end"), self.succeeded)


def _says(what: str, value: str) -> sfn.Condition:
    return sfn.Condition.string_equals(f"$.{what}", value)

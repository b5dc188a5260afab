"""A small round, as an Express execution of its own: a look into the inbox, and what it finds.

A round costs a Standard machine some twenty transitions, an Express one next to nothing (docs/adr).
What it cannot finish in its five minutes it hands to the runner, which starts it and waits for it:
a large batch, and a fold. Should it die, the runner dies with it and is followed.
"""

from aws_cdk import Duration
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from instep.cdk.batch_path import BatchPath
from instep.cdk.config import Config
from instep.cdk.functions import Functions
from instep.cdk.machine import state_machine
from instep.cdk.nag import accept
from instep.cdk.parse_batch import ParseBatch
from instep.cdk.patience import SMALL_ROUND
from instep.cdk.rollout import version_of

LONGEST = Duration.minutes(5)  # Express executions have no more
WHY_ERRORS_ONLY = (
    "Rounds never cease while traffic lasts: all of their events would cost more than they do. "
    "Each function logs what it did, under the name of the runner."
)


class Round(Construct):
    """Wires the states below, in the order they run, into one state machine."""

    def __init__(self, scope: Construct, id_: str, *, config: Config, functions: Functions) -> None:
        super().__init__(scope, id_)
        parse = ParseBatch(
            self,
            "Parse",
            function=functions.parse_batch,
            payload={
                "execution": sfn.JsonPath.string_at("$.execution"),
                "started": sfn.JsonPath.string_at("$.started"),
                "input": {},
                "tally": sfn.JsonPath.object_at("$.tally"),
            },
        ).state
        path = BatchPath(self, "Batch", functions=functions, patience=SMALL_ROUND)
        settled = sfn.Succeed(self, "Settled", comment="The runner goes by what SettleBatch said.")
        has_work = HasWork(self, "Work", work=path.first).state
        parsed = Parsed(self, "Begun", work=path.first, parse=parse).state

        parse.next(has_work)
        path.next(settled)

        self.machine = state_machine(
            self,
            parsed,
            name=f"{config.name}-round",
            config=config,
            kind=sfn.StateMachineType.EXPRESS,
            timeout=LONGEST,
            level=sfn.LogLevel.ERROR,
            comment="A look into the inbox; what it finds is applied, if that is quickly done.",
            calls=[functions.parse_batch, *functions.of_a_batch],
        )
        self.pinned = version_of(self.machine, config)
        accept(self.machine, "AwsSolutions-SF1", WHY_ERRORS_ONLY)


class Parsed(Construct):
    """The runner's first look is its own, for it knows the input: only the work is left then."""

    def __init__(
        self, scope: Construct, id_: str, *, work: sfn.IChainable, parse: sfn.IChainable
    ) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Choice(self, "Parsed?", comment="A batch that is parked already.")
        self.state.when(sfn.Condition.string_equals("$.next", "work"), work)
        self.state.otherwise(parse)


class HasWork(Construct):
    """Nothing found, or too much: the runner knows what follows."""

    def __init__(self, scope: Construct, id_: str, *, work: sfn.IChainable) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Choice(
            self, "HasWork?", comment="Nothing to do, nothing moved: no lock, no snapshot."
        )
        self.state.when(sfn.Condition.string_equals("$.next", "work"), work)
        self.state.otherwise(
            sfn.Succeed(self, "Looked", comment="The runner goes by what ParseBatch said.")
        )

"""A batch on its way through the collections: the states that a small round and a large one share.

Each reads and returns the round's state, which instep.lambda_/payloads.py describes.
"""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from instep.cdk.collection_path import CollectionPath
from instep.cdk.function import WorkflowFunction
from instep.cdk.functions import Functions
from instep.cdk.patience import Patience
from instep.cdk.retries import EVERYTHING_ELSE, retry_transient
from instep.cdk.task import invoke

MAX_PARALLEL = 10


class BatchPath(Construct):
    """EachCollection, then SettleBatch; `first` is where a parked batch enters."""

    def __init__(
        self, scope: Construct, id_: str, *, functions: Functions, patience: Patience
    ) -> None:
        super().__init__(scope, id_)
        collections = EachCollection(
            self, "Collections", functions=functions, patience=patience
        ).state
        unsettled = NotSettled(self, "Unsettled").state
        settle = SettleBatch(
            self, "Settle", function=functions.settle_batch, failed=unsettled
        ).state
        collections.next(settle)
        self.first = collections
        self._last: list[sfn.INextable] = [settle, unsettled]

    def next(self, state: sfn.IChainable) -> None:
        """Go on with `state`, whatever came of the batch."""
        for last in self._last:
            last.next(state)


class EachCollection(Construct):
    """The fan-out: one item a collection, each on the path of collection_path.py."""

    def __init__(
        self, scope: Construct, id_: str, *, functions: Functions, patience: Patience
    ) -> None:
        super().__init__(scope, id_)
        path = CollectionPath(self, "Path", functions=functions, patience=patience)
        self.state = sfn.Map(
            self,
            "EachCollection",
            items_path="$.collections",
            item_selector={
                "collection": sfn.JsonPath.string_at("$$.Map.Item.Value.collection"),
                "batch": sfn.JsonPath.object_at("$$.Map.Item.Value.batch"),
                "execution": sfn.JsonPath.string_at("$.execution"),
                "lease": {},
                "staged": {"attempt": 0},
            },
            max_concurrency=MAX_PARALLEL,
            result_path="$.outcomes",
            comment="Collections in parallel; an item catches its own errors and ends in an "
            "outcome.",
        )
        self.state.item_processor(path.first)


class SettleBatch(Construct):
    """Turns outcomes into what becomes of each message: deleted, back, sent again, or the DLQ."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        function: WorkflowFunction,
        failed: sfn.IChainable,
    ) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            "SettleBatch",
            function=function,
            payload={
                "execution": sfn.JsonPath.string_at("$.execution"),
                "tally": sfn.JsonPath.object_at("$.tally"),
                "started": sfn.JsonPath.string_at("$.started"),
                "began": sfn.JsonPath.string_at("$.began"),
                "drains": sfn.JsonPath.object_at("$.drains"),
                "more": sfn.JsonPath.object_at("$.more"),
                "deliveries": sfn.JsonPath.object_at("$.deliveries"),
                "outcomes": sfn.JsonPath.object_at("$.outcomes"),
            },
            result_path=None,
            comment="After publish only: a message is deleted when the head carries it. Dying "
            "here means redelivery, which changes nothing.",
        )
        retry_transient(self.state)
        self.state.add_catch(failed, errors=EVERYTHING_ELSE, result_path="$.error")


class NotSettled(Construct):
    """The execution ends red, and says why: what it took is in the inbox still, hidden for a
    minute, and whoever follows takes it in a round of its own.
    """

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Pass(
            self,
            "NotSettled",
            parameters={
                "execution": sfn.JsonPath.string_at("$.execution"),
                "next": "end",
                "tally": {"failures": 1, "cause": sfn.JsonPath.string_at("$.error.Cause")},
            },
            comment="Nothing is lost: a message is deleted by SettleBatch alone. Applied again, it "
            "changes nothing.",
        )

"""A whole table, segment by segment: each is scanned a piece at a time, while the inbox has room.

Where a segment is, its item of the Map carries, so no call comes near its function's time, and one
that dies is repeated from the same place. What the pieces queue, the one runner applies: this path
takes no lease, and live changes go on between its pieces.
"""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from instep.cdk.function import WorkflowFunction
from instep.cdk.functions import Functions
from instep.cdk.retries import retry_transient
from instep.cdk.task import invoke


class EachSegment(Construct):
    """Segments in parallel; one that cannot go on ends the execution red, with its cause."""

    def __init__(self, scope: Construct, id_: str, *, functions: Functions) -> None:
        super().__init__(scope, id_)
        sync = SyncTable(self, "Sync", function=functions.sync_table).state
        wait = WaitForRoom(self, "Room", then=sync).state
        sync.next(MorePieces(self, "More", again=sync, wait=wait).state)
        self.state = sfn.Map(
            self,
            "EachSegment",
            items_path="$.sync.segments",
            item_selector={
                "execution": sfn.JsonPath.string_at("$.execution"),
                "collections": sfn.JsonPath.object_at("$.sync.collections"),
                "segment": sfn.JsonPath.object_at("$$.Map.Item.Value"),
            },
            result_path="$.sync.segments",
            comment="The table's items as signals, and behind them the ids that the snapshots "
            "carry. Repeating any of it changes nothing.",
        )
        self.state.item_processor(sync)


class SyncTable(Construct):
    """A piece of a segment into the inbox, unless that is full."""

    def __init__(self, scope: Construct, id_: str, *, function: WorkflowFunction) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            "SyncTable",
            function=function,
            payload={
                "execution": sfn.JsonPath.string_at("$.execution"),
                "collections": sfn.JsonPath.object_at("$.collections"),
                "segment": sfn.JsonPath.object_at("$.segment"),
            },
            result_path=None,
            comment="Scan a piece, queue what it says, announce it. Dying here sends some of it "
            "twice, which changes nothing.",
        )
        retry_transient(self.state)


class MorePieces(Construct):
    """On, until the segment is through."""

    def __init__(
        self, scope: Construct, id_: str, *, again: sfn.IChainable, wait: sfn.IChainable
    ) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Choice(
            self, "MorePieces?", comment="The next piece, or first room for it in the inbox."
        )
        self.state.when(sfn.Condition.string_equals("$.then", "piece"), again)
        self.state.when(sfn.Condition.string_equals("$.then", "wait"), wait)
        self.state.otherwise(
            sfn.Pass(self, "SegmentSynced", comment="All of it is in the inbox, or applied.")
        )


class WaitForRoom(Construct):
    """The runner takes what is there; live changes are in the same rounds."""

    def __init__(self, scope: Construct, id_: str, *, then: sfn.IChainable) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Wait(
            self,
            "WaitForRoom",
            time=sfn.WaitTime.seconds_path("$.pause"),
            comment="The inbox is full: longer each time in a row.",
        )
        self.state.next(then)

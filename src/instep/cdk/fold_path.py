"""The folds that a round's publish found due, one item a collection, under a lease of its own.

A fold is for readers and later writers: the batch before it is published and settled, whatever
comes of it. So nothing here fails the run, and a fold that did not come about comes due again.
"""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from instep.cdk.collection_path import ReleaseLock
from instep.cdk.function import WorkflowFunction
from instep.cdk.functions import Functions
from instep.cdk.retries import EVERYTHING_ELSE, retry_busy, retry_refused, retry_transient
from instep.cdk.task import invoke


class EachFold(Construct):
    """Collections in parallel, each locked, folded and released."""

    def __init__(self, scope: Construct, id_: str, *, functions: Functions) -> None:
        super().__init__(scope, id_)
        release = ReleaseLock(
            self,
            "Release",
            function=functions.release_lock,
            request="$.request",
            after="AfterFold",
        ).state
        left = NotFolded(self, "Without", then=release).state
        fold = FoldSnapshot(self, "Fold", function=functions.fold_snapshot, without=left).state
        lock = LockToFold(self, "Lock", function=functions.acquire_lock, without=left).state
        lock.next(fold)
        fold.next(release)
        self.state = sfn.Map(
            self,
            "EachFold",
            items_path="$.folds",
            item_selector={
                "collection": sfn.JsonPath.string_at("$$.Map.Item.Value.collection"),
                "request": sfn.JsonPath.string_at("$$.Map.Item.Value.request"),
                "execution": sfn.JsonPath.string_at("$.execution"),
                "lease": {},
            },
            result_path=sfn.JsonPath.DISCARD,
            comment="Due when readers replay hundreds of vectors, or a chain is heavy.",
        )
        self.state.item_processor(lock)


class LockToFold(Construct):
    """A lease for as long as the fold takes; somebody else's is no reason to wait for long."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        function: WorkflowFunction,
        without: sfn.IChainable,
    ) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            "LockToFold",
            function=function,
            payload={
                "collection": sfn.JsonPath.string_at("$.collection"),
                "execution": sfn.JsonPath.string_at("$.execution"),
                "request": sfn.JsonPath.string_at("$.request"),
                "waiting_since": sfn.JsonPath.string_at("$$.State.EnteredTime"),
            },
            result_path="$.lease",
            comment="Writers wait or are deferred meanwhile, readers never.",
        )
        retry_busy(self.state)
        retry_transient(self.state)
        self.state.add_catch(without, errors=EVERYTHING_ELSE, result_path="$.error")


class FoldSnapshot(Construct):
    """Rewrites the head for readers and publishes that; never at the batch's expense."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        function: WorkflowFunction,
        without: sfn.IChainable,
    ) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            "FoldSnapshot",
            function=function,
            payload={
                "collection": sfn.JsonPath.string_at("$.collection"),
                "execution": sfn.JsonPath.string_at("$.execution"),
                "lease": sfn.JsonPath.object_at("$.lease"),
            },
            result_path="$.folded",
            comment="Persist the index, drop free pages, publish. Whatever goes wrong: the batch "
            "is applied, and the fold comes due again.",
        )
        # Not after a death: the next round's is its second try, and nobody waits for it meanwhile.
        retry_refused(self.state)
        self.state.add_catch(without, errors=EVERYTHING_ELSE, result_path="$.error")


class NotFolded(Construct):
    """The fold comes due again with the next publish; the error is in $.error."""

    def __init__(self, scope: Construct, id_: str, *, then: sfn.IChainable) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Pass(
            self, "NotFolded", comment="Nothing is lost: it comes due again with the next publish."
        )
        self.state.next(then)

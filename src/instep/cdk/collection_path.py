"""One item of the Map: a collection's way from AcquireLock to ReleaseLock.

Whatever happens, the item ends in an outcome (applied, deferred, failed) and gives the lease back;
no error leaves the item, so one collection never takes another down.
"""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from instep.cdk.function import WorkflowFunction
from instep.cdk.functions import Functions
from instep.cdk.patience import Patience
from instep.cdk.retries import (
    EVERYTHING_ELSE,
    retry_busy,
    retry_dead,
    retry_embedder,
    retry_refused,
    retry_transient,
)
from instep.cdk.task import invoke
from instep.errors import FormatUnknown, LeaseLost, LockBusy, SnapshotConflict

MAX_ATTEMPTS = 3  # after three lost races a later run is the better place to try


class CollectionPath(Construct):
    """Wires the states below, in the order they run; `first` is where an item starts."""

    def __init__(
        self, scope: Construct, id_: str, *, functions: Functions, patience: Patience
    ) -> None:
        super().__init__(scope, id_)
        release = ReleaseLock(
            self, "Release", function=functions.release_lock, request="$.batch.key"
        ).state
        applied = Applied(self, "Success", then=release).state
        deferred = Deferred(self, "Later", then=release).state
        failed = Failed(self, "Failure", then=release).state

        acquire = AcquireLock(
            self, "Acquire", function=functions.acquire_lock, busy=deferred, failed=failed
        ).state
        apply = ApplyUpdates(
            self,
            "Apply",
            function=functions.apply_updates,
            patience=patience,
            lost=deferred,
            failed=failed,
        ).state
        again = AttemptsLeft(self, "Again", again=apply, enough=deferred).state
        upload = UploadSnapshot(
            self,
            "Upload",
            function=functions.upload_snapshot,
            conflict=again,
            lost=deferred,
            failed=failed,
        ).state
        changed = Changed(self, "Difference", publish=upload, nothing=applied).state

        acquire.next(apply)
        apply.next(changed)
        upload.next(applied)
        self.first = acquire


class AcquireLock(Construct):
    """The lease, and the answer to a busy one: wait with jitter, then defer the collection."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        function: WorkflowFunction,
        busy: sfn.IChainable,
        failed: sfn.IChainable,
    ) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            "AcquireLock",
            function=function,
            payload={
                "collection": sfn.JsonPath.string_at("$.collection"),
                "execution": sfn.JsonPath.string_at("$.execution"),
                "request": sfn.JsonPath.string_at("$.batch.key"),
                "waiting_since": sfn.JsonPath.string_at("$$.State.EnteredTime"),
            },
            result_path="$.lease",
            comment="Take the collection's lease. Busy is no failure: the holder's next round, or "
            "ours, takes these messages.",
        )
        retry_busy(self.state)
        retry_transient(self.state)
        not_now = [LockBusy.__name__, LeaseLost.__name__]
        self.state.add_catch(busy, errors=not_now, result_path="$.error")
        self.state.add_catch(failed, errors=EVERYTHING_ELSE, result_path="$.error")


class ApplyUpdates(Construct):
    """Head, table's truth, difference, staged files: nothing that a reader could see."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        function: WorkflowFunction,
        patience: Patience,
        lost: sfn.IChainable,
        failed: sfn.IChainable,
    ) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            "ApplyUpdates",
            function=function,
            within=patience.apply,
            payload={
                "collection": sfn.JsonPath.string_at("$.collection"),
                "execution": sfn.JsonPath.string_at("$.execution"),
                "batch": sfn.JsonPath.object_at("$.batch"),
                "lease": sfn.JsonPath.object_at("$.lease"),
                "attempt": sfn.JsonPath.number_at("$.staged.attempt"),
            },
            result_path="$.staged",
            comment="Write what the table says into a copy of the head, and stage what changed: "
            "invisible until HEAD names it, so dying here costs nothing.",
        )
        retry_refused(self.state)
        retry_embedder(self.state)
        if patience.second_try:
            retry_dead(self.state)
        later = [LeaseLost.__name__, FormatUnknown.__name__]
        self.state.add_catch(lost, errors=later, result_path="$.error")
        self.state.add_catch(failed, errors=EVERYTHING_ELSE, result_path="$.error")


class Changed(Construct):
    """An empty difference publishes nothing."""

    def __init__(
        self, scope: Construct, id_: str, *, publish: sfn.IChainable, nothing: sfn.IChainable
    ) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Choice(
            self, "Changed?", comment="The snapshot carried all of it already: move nothing."
        )
        self.state.when(sfn.Condition.boolean_equals("$.staged.changed", True), publish)
        self.state.otherwise(nothing)


class UploadSnapshot(Construct):
    """Moves HEAD to the staged version, or learns that HEAD moved first."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        function: WorkflowFunction,
        conflict: sfn.IChainable,
        lost: sfn.IChainable,
        failed: sfn.IChainable,
    ) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            "UploadSnapshot",
            function=function,
            payload={
                "collection": sfn.JsonPath.string_at("$.collection"),
                "execution": sfn.JsonPath.string_at("$.execution"),
                "staged": sfn.JsonPath.object_at("$.staged"),
                "lease": sfn.JsonPath.object_at("$.lease"),
            },
            result_path="$.published",
            comment="Publish: the lease is still ours, then one conditional write of HEAD.",
        )
        retry_transient(self.state)
        self.state.add_catch(conflict, errors=[SnapshotConflict.__name__], result_path="$.conflict")
        self.state.add_catch(lost, errors=[LeaseLost.__name__], result_path="$.error")
        self.state.add_catch(failed, errors=EVERYTHING_ELSE, result_path="$.error")


class AttemptsLeft(Construct):
    """Bounds the way back from a conflict."""

    def __init__(
        self, scope: Construct, id_: str, *, again: sfn.IChainable, enough: sfn.IChainable
    ) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Choice(
            self, "Attempts?", comment="HEAD moved: apply the batch again, on the new head."
        )
        left = sfn.Condition.number_less_than("$.staged.attempt", MAX_ATTEMPTS)
        self.state.when(left, again)
        self.state.otherwise(enough)


class Applied(Construct):
    """Outcome: the batch is in the head snapshot; its messages may be deleted."""

    def __init__(self, scope: Construct, id_: str, *, then: sfn.IChainable) -> None:
        super().__init__(scope, id_)
        self.state = _outcome(self, "Applied", "The head carries the batch: delete its messages.")
        self.state.next(then)


class Deferred(Construct):
    """Outcome: not now. The messages go back as they are; nobody failed."""

    def __init__(self, scope: Construct, id_: str, *, then: sfn.IChainable) -> None:
        super().__init__(scope, id_)
        self.state = _outcome(
            self, "Deferred", "Another run holds or took the collection: the messages go back."
        )
        self.state.next(then)


class Failed(Construct):
    """Outcome: this collection failed; its messages are sent again with one attempt more."""

    def __init__(self, scope: Construct, id_: str, *, then: sfn.IChainable) -> None:
        super().__init__(scope, id_)
        self.state = _outcome(
            self, "Failed", "Kept apart: the other collections go on; the error is in $.error."
        )
        self.state.next(then)


class ReleaseLock(Construct):
    """Gives the lease back, from every path; failing to is no failure, for a lease expires."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        function: WorkflowFunction,
        request: str,
        after: str = "",
    ) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            f"ReleaseLock{after}",
            function=function,
            payload={
                "collection": sfn.JsonPath.string_at("$.collection"),
                "execution": sfn.JsonPath.string_at("$.execution"),
                "request": sfn.JsonPath.string_at(request),
                "lease": sfn.JsonPath.object_at("$.lease"),
            },
            result_path=sfn.JsonPath.DISCARD,
            comment="From every path, also after a failed acquire whose write may have arrived: "
            "without a lease, what this batch has taken.",
        )
        retry_transient(self.state)
        expires = sfn.Pass(
            self,
            f"LeaseExpires{after}",
            comment="Not released: the lease ends by itself, and the outcome stands.",
        )
        self.state.add_catch(expires, errors=EVERYTHING_ELSE, result_path="$.release")


def _outcome(scope: Construct, name: str, comment: str) -> sfn.Pass:
    return sfn.Pass(
        scope,
        name,
        result=sfn.Result.from_object({"status": name.lower()}),
        result_path="$.outcome",
        comment=comment,
    )

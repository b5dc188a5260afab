"""The one function that looks into the inbox, or at what an execution was given."""

from collections.abc import Mapping
from typing import Any

from constructs import Construct

from instep.cdk.function import WorkflowFunction
from instep.cdk.retries import retry_transient
from instep.cdk.task import invoke


class ParseBatch(Construct):
    """Drains the inbox or takes the input, and parks a batch a collection in S3."""

    def __init__(
        self, scope: Construct, id_: str, *, function: WorkflowFunction, payload: Mapping[str, Any]
    ) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            "ParseBatch",
            function=function,
            payload=payload,
            result_path=None,
            comment="Claim, drain, parse, coalesce, park; or finish. InputRejected is not caught: "
            "the execution fails with a cause that shows the accepted shapes.",
        )
        retry_transient(self.state)

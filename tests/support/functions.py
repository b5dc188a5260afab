"""The deployed functions: their names, logs and metrics, and their settings changed for a while."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.function_settings import reconfigured
from instep.local.metrics import log_lines, metric_sums
from instep.local.target import Target
from tests.support.edges import all_states


@dataclass(frozen=True)
class Functions:
    """The functions that the states of `definitions` call; a state of several calls the same."""

    target: Target
    definitions: Sequence[Mapping[str, Any]]

    def name(self, state: str) -> str:
        """Return the deployed name of the function that `state` calls."""
        known = {name: one for each in self.definitions for name, one in all_states(each).items()}
        resource: str = known[state]["Resource"]
        return resource.rpartition(":")[2]

    def log(self, state: str) -> list[str]:
        """Return the log lines of the function of `state`."""
        function = self.name(state)
        found = self.target.client("lambda").get_function_configuration(FunctionName=function)
        group = found.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{function}")
        return log_lines(self.target.client("logs"), group)

    def metrics(self, state: str) -> Mapping[str, int]:
        """Return the sums of the metrics that the function of `state` has printed so far."""
        return metric_sums(self.log(state))

    @contextmanager
    def configured(
        self,
        state: str,
        *,
        timeout: int | None = None,
        memory: int | None = None,
        **variables: str,
    ) -> Iterator[None]:
        """Give the function of `state` another timeout (s) or memory (MB), and variables, inside
        the block.
        """
        wanted = {"Timeout": timeout, "MemorySize": memory}
        settings = {name: value for name, value in wanted.items() if value is not None}
        with reconfigured(self.target, self.name(state), variables, **settings):
            yield

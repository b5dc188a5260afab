"""What a deployed app used in a window of time, in the units of `instep.costs.prices`.

Of ingest only what AWS would call counts: there a batch is filled for as long as the mapping says,
which the local cloud does not do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.live import LiveApp
from benchmarks.window import Window
from benchmarks.wire_usage import CountingProxy, total
from benchmarks.workflow_meter import machines
from instep.costs.prices import added, lambda_gb_seconds, stream_calls

_INGEST = "ingest"
_GB = 1_000_000_000


@dataclass(frozen=True)
class Meter:
    """Reads an app whose functions' calls go through the proxy."""

    app: LiveApp
    proxy: CountingProxy

    def used(self, window: Window) -> dict[str, float]:
        """Return what was used in the window, by item of `instep.costs.prices`."""
        calls = [call for call in self.app.logs.calls(window.began) if call.at in window]
        ingests = [call.at for call in calls if call.function == _INGEST]
        functions = self.app.logs.functions
        shares = dict.fromkeys(functions, 1.0) | {_INGEST: self._ingest_share(ingests)}
        deployed = {functions[name]["FunctionName"]: share for name, share in shares.items()}
        used = added(
            {
                "lambda_requests": sum(shares[call.function] for call in calls),
                "lambda_gb_s": sum(
                    shares[call.function]
                    * lambda_gb_seconds(call.fields["ms"], functions[call.function]["MemorySize"])
                    for call in calls
                ),
                "log_bytes": sum(
                    self.app.logs.logged_bytes(name, window) * shares[name] for name in shares
                ),
            },
            total(
                self.proxy.used(window.began, window.ended),
                lambda use: deployed.get(use.function, 1.0),
            ),
            *(machine.used(window) for machine in machines(self.app)),
        )
        return _priced(used)

    def _ingest_share(self, ended: Sequence[float]) -> float:
        name = self.app.logs.functions[_INGEST]["FunctionName"]
        found = self.app.target.client("lambda").list_event_source_mappings(FunctionName=name)
        return made_by_aws(
            ended, found["EventSourceMappings"][0].get("MaximumBatchingWindowInSeconds", 0)
        )


def made_by_aws(calls: Sequence[float], window: float) -> float:
    """Return which share of the calls of these instants AWS would make, which waits `window`
    seconds to fill a batch: second by second, for a quiet one makes no room for a busy one's.
    """
    a_second = Counter(map(int, calls)).values()
    made = sum(stream_calls(number, 1, window) for number in a_second)
    return made / len(calls) if calls else 1.0


def _priced(used: Mapping[str, float]) -> dict[str, float]:
    """Return what has a price instead of what it was counted by."""
    left = {item: amount for item, amount in used.items() if item != "log_bytes"}
    return left | {"log_gb": used["log_bytes"] / _GB}

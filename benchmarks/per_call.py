"""What each function's calls used on average: `instep.costs.counted` is read off here.

By the function's own lines and by the proxy between it and the cloud, as the bill is; and the names
of metrics that were printed, for each is paid by the month.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.live import LiveApp
from benchmarks.measure import Figures, percentile
from benchmarks.window import Window
from benchmarks.wire_usage import CountingProxy, total
from instep.local.metrics import emf_document


@dataclass(frozen=True)
class Calls:
    """Reads the calls of an app whose functions' requests go through the proxy.

    `ms` is the mean, as the bill is; `least_ms` the tenth that was fastest: beside other work on
    the machine that is nearer to a core of one's own.
    """

    app: LiveApp
    proxy: CountingProxy

    def figures(self, window: Window) -> Figures:
        """Return calls in the window, and of a call: `ms`, `log_bytes`, and requests by item."""
        figures: Figures = {}
        used = self.proxy.used(window.began, window.ended)
        for name in sorted(self.app.logs.functions):
            took = [
                line.fields["ms"]
                for line in self.app.logs.lines(name, "Call ended", window.began)
                if line.at in window
            ]
            if not took:
                continue
            deployed = self.app.logs.functions[name]["FunctionName"]
            requests = total(use for use in used if use.function == deployed)
            logged = self.app.logs.logged_bytes(name, window)
            per_call = {"ms": sum(took), "log_bytes": logged, **requests}
            figures |= {
                f"calls_{name}": len(took),
                f"call_{name}_least_ms": percentile(took, 0.1),
            }
            figures |= {
                f"call_{name}_{item}": round(amount / len(took), 2)
                for item, amount in per_call.items()
            }
        return figures | {"metric_names": len(self.metric_names(window))}

    def metric_names(self, window: Window) -> set[tuple[str, str, str]]:
        """Return what was printed in the window: metric, service, and collection or nothing."""
        return {
            one
            for name in self.app.logs.functions
            for one in printed(self.app.logs.texts(name, window))
        }


def printed(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield each metric of EMF lines by its name and the dimensions that tell it apart."""
    for document in filter(None, map(emf_document, lines)):
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                yield metric["Name"], document.get("service", ""), document.get("collection", "")

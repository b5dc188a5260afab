"""Where a stretch of time went: seconds and calls by function, and seconds in which none ran."""

from collections import defaultdict
from collections.abc import Iterable

from benchmarks.function_logs import Line
from benchmarks.measure import Figures
from benchmarks.window import Window


def profile(name: str, calls: Iterable[Line], window: Window) -> Figures:
    """Return the figures of the calls that ended in the window, under keys that start with `name`.

    Calls side by side count each for itself, so the sum may be more than the window.
    """
    took: dict[str, float] = defaultdict(float)
    count: dict[str, int] = defaultdict(int)
    spans = []
    for call in calls:
        if call.at in window:
            seconds = call.fields["ms"] / 1_000
            took[call.function] += seconds
            count[call.function] += 1
            spans.append((call.at - seconds, call.at))
    figures: Figures = {}
    for function, seconds in sorted(took.items(), key=lambda item: -item[1]):
        figures[f"{name}_{function}_s"] = round(seconds, 3)
        figures[f"{name}_{function}_calls"] = count[function]
    figures[f"{name}_between_calls_s"] = round(window.seconds - covered(spans, window), 3)
    return figures


def covered(spans: Iterable[tuple[float, float]], window: Window) -> float:
    """Return how much of the window lies in at least one of the spans."""
    total, reached = 0.0, window.began
    for began, ended in sorted(spans):
        began, ended = max(began, reached), min(ended, window.ended)
        if ended > began:
            total, reached = total + ended - began, ended
    return total

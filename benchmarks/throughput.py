"""How fast much is brought in: label edits and deltas written at once, until the head carries all.

At each size a deployment of its own: the words' items are there and their deltas uploaded (64
floats, a delta a receipt of 100 words); the COMPACTION_RUN items are written at once, and when all
is merged a label of every word. What a change costs in reads of the table is counted on another
one, by a proxy between functions and cloud that would take its share of the time.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from benchmarks import apply_step
from benchmarks.arrivals import all_completed, await_labels
from benchmarks.call_profile import profile
from benchmarks.items import label
from benchmarks.live import LiveApp, live_app, until
from benchmarks.measure import Figures, exponent, ratio, short
from benchmarks.papers import A_RECEIPT, Papers
from benchmarks.report import Report, Target, at_least, at_most
from benchmarks.stage import Stage
from benchmarks.window import Window
from benchmarks.wire_usage import CountingProxy, Use
from instep.clock import utc_now
from instep.snapshot.copy.reader import open_snapshot

SIZES = (1_000, 10_000, 100_000)
SHOWN = 10_000
WARM = Papers(1, seed=1)

_SECONDS = 20  # for SHOWN changes of either kind
_FLAT = 1.25  # of a peak: what ten times the changes may add to it
_GROWS = "fold_snapshot"  # it holds the index, which is as large as the collection


def run(
    stage: Stage, sizes: Sequence[int] = SIZES, context: Mapping[str, str] | None = None
) -> Report:
    """Return what every size took, and what a change reads."""
    sizes = sorted(sizes)
    found = [_at(stage, size, context) for size in sizes]
    shown = SHOWN if SHOWN in sizes else sizes[-1]
    figures = apply_step.measure(stage, shown) | _reads(stage, shown, context)
    for own in found:
        figures |= own
    if len(sizes) > 1:
        figures |= growth(figures, sizes, shown)
    return Report(
        "throughput",
        f"{', '.join(f'{size:,}' for size in sizes)} words, an edit of each and deltas of 100",
        {key: figures[key] for key in figures if key in targets_of(figures)} | figures,
        targets_of(figures),
    )


def _at(stage: Stage, size: int, context: Mapping[str, str] | None) -> Figures:
    name = short(size)
    papers = Papers(size // A_RECEIPT)
    with live_app(stage.scratch / name, context) as app:
        _warm_up(app)
        figures = _deltas(app, papers, name) | _labels(app, papers, name)
        for function, peak in app.logs.peaks().items():
            figures[f"peak_mb_{function}_{name}"] = peak
        return figures | {f"in_step_{name}": int(not app.differences())}


def _warm_up(app: LiveApp) -> None:
    """Let every function start once: a pipeline under traffic is warm."""
    app.seed(WARM, ("words",))
    app.write([label(WARM.ids[0], "warm")])
    app.rest(60.0)


def _deltas(app: LiveApp, papers: Papers, name: str) -> Figures:
    """Time from the first COMPACTION_RUN item until the head carries all and all are COMPLETED."""
    app.write(papers.items())
    runs = papers.upload(app.session.objects, ("words",), receipts=1)
    began, at = monotonic(), utc_now().timestamp()
    app.write(runs)
    whole = papers.words + WARM.words
    until(lambda: app.embeddings(("words",))["words"] == whole, "all words are merged")
    until(lambda: all_completed(app, runs), "all runs are COMPLETED")
    took = monotonic() - began
    window = Window(at, utc_now().timestamp())
    app.rest(60.0)
    return {f"deltas_{name}_s": round(took, 3)} | profile(
        f"deltas_{name}", app.logs.calls(at), window
    )


def _labels(app: LiveApp, papers: Papers, name: str) -> Figures:
    """Time from the first label written until the head carries the last."""
    with open_snapshot(app.session.objects, "words") as snapshot, ThreadPoolExecutor(1) as pool:
        began, at = monotonic(), utc_now().timestamp()
        writing = pool.submit(_write_labels, app, papers, name)
        took = await_labels(snapshot, papers.ids, name, lambda: writing.done()) - began
        written = writing.result() - began
    window = Window(at, at + took)
    app.rest(60.0)
    return {
        f"labels_{name}_s": round(took, 3),
        f"labels_{name}_written_s": round(written, 3),
    } | profile(f"labels_{name}", app.logs.calls(at), window)


def _write_labels(app: LiveApp, papers: Papers, by: str) -> float:
    app.write(label(word, by) for word in papers.ids)
    return monotonic()


def _reads(stage: Stage, size: int, context: Mapping[str, str] | None) -> Figures:
    """Count what ApplyUpdates reads of the entity table for a label edit of every word."""
    papers = Papers(size // A_RECEIPT)
    with (
        CountingProxy() as proxy,
        live_app(stage.scratch / "counted", context, proxy) as app,
    ):
        app.seed(papers, ("words",))
        function = app.logs.functions["apply_updates"]["FunctionName"]
        before = len(proxy.uses)
        _labels(app, papers, "counted")
        reads = [use for use in proxy.uses[before:] if _reads_truth(use, function, app.table)]
    return {
        "requests_per_change": round(len(reads) / papers.words, 4),
        "read_units_per_change": round(sum(use.amount for use in reads) / papers.words, 4),
    }


def _reads_truth(use: Use, function: str, table: str) -> bool:
    return (use.function, use.item, use.table) == (function, "dynamodb_read", table)


def growth(figures: Mapping[str, float], sizes: Sequence[int], shown: int) -> Figures:
    """Return how time and memory go with the number of changes."""
    seconds = {
        kind: [figures[f"{kind}_{short(size)}_s"] for size in sizes]
        for kind in ("labels", "deltas")
    }
    least, most = short(shown), short(sizes[-1])
    peaks = {
        key.removeprefix("peak_mb_").removesuffix(f"_{most}"): figures[key]
        for key in figures
        if key.startswith("peak_mb_") and key.endswith(f"_{most}") and most != least
    }
    return {
        "time_exponent": exponent(sizes, seconds["labels"]),
        "deltas_time_exponent": exponent(sizes, seconds["deltas"]),
        **{
            f"memory_ratio_{function}": ratio(peak, figures[f"peak_mb_{function}_{least}"])
            for function, peak in peaks.items()
            if f"peak_mb_{function}_{least}" in figures
        },
    }


def targets_of(figures: Mapping[str, float]) -> dict[str, Target]:
    """Return what each of these figures should be, of those that should be anything."""
    targets = {
        f"labels_{short(SHOWN)}_s": at_most(_SECONDS),
        f"deltas_{short(SHOWN)}_s": at_most(_SECONDS),
        "requests_per_change": at_most(0.1),
        "time_exponent": at_most(1.05),
        "deltas_time_exponent": at_most(1.05),
        **apply_step.TARGETS,
    }
    for key in figures:
        if key.startswith("in_step_"):
            targets[key] = at_least(1)
        if key.startswith("memory_ratio_") and not key.endswith(_GROWS):
            targets[key] = at_most(_FLAT)
    return {key: target for key, target in targets.items() if key in figures}

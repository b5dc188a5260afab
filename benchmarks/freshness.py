"""How long a write takes to be readable, at rates from 1 to 100 edits a second, paced and not.

100 receipts of 100 words; labels are edited at a steady rate, and each second one probe more is
written and looked for in the head. At last a receipt of 100 words more comes each second, with its
vectors, its run, and a probe on its first word. `r0` is roundSeconds 0, `rD` is what the app
deploys by default.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count

from benchmarks.beside import alongside
from benchmarks.live import LiveApp, live_app
from benchmarks.measure import Figures
from benchmarks.newcomers import Newcomers
from benchmarks.pacing import Achieved, paced, steady
from benchmarks.papers import Papers
from benchmarks.probed_edits import Edits
from benchmarks.probes import Sightings, watching
from benchmarks.report import Report, Target, at_least, at_most
from benchmarks.rounds import beside_another, read_rounds
from benchmarks.stage import Stage
from instep.app import app_folder, context_of
from instep.clock import utc_now
from instep.snapshot.copy.reader import Snapshot, open_snapshot

RATES = (1, 5, 10, 20, 50, 100)
SECONDS = 60
RECEIPTS = 100
SETTINGS: Mapping[str, Mapping[str, str]] = {"r0": {"roundSeconds": "0"}, "rD": {}}

LOST_AFTER = 90.0  # seconds in which nothing ran, and a probe still was not there
_RUNS = "runs"  # in the place of a rate: receipts that come
_SHOWN_RATE = 10  # the rate of the summary


def default_pace() -> float:
    """Return the roundSeconds that cdk.json gives a deployment; 0 where it knows of none."""
    context = context_of(app_folder())
    return float(context.get("roundSeconds", 0))


def run(
    stage: Stage,
    rates: Sequence[int] = RATES,
    seconds: int = SECONDS,
    receipts: int = RECEIPTS,
) -> Report:
    """Return the figures of every rate under both settings."""
    papers = Papers(receipts)
    figures: Figures = {"rD_round_seconds": default_pace()}
    in_step = True
    for setting, context in SETTINGS.items():
        with live_app(stage.scratch / setting, context) as app:
            app.seed(papers)
            figures |= measure(app, Edits(papers), setting, rates, seconds)
            in_step = not app.differences() and in_step
    return Report(
        "freshness",
        f"{papers.words:,} words of {receipts} receipts; {seconds} s a rate, a probe a second",
        summary(figures, in_step=in_step) | figures,
        targets_of(rates),
    )


def measure(
    app: LiveApp, edits: Edits, setting: str, rates: Sequence[int], seconds: int
) -> Figures:
    """Return the figures of every rate on an app that carries the papers."""
    figures: Figures = {}
    numbers = count()
    with open_snapshot(app.session.objects, "words") as snapshot:
        for rate in rates:
            name = f"{setting}_{rate}"
            write = partial(_edit, app, edits, name, (rate, seconds), numbers)
            figures |= _watched(app, snapshot, name, seconds, write)
        come = partial(_come, app, Newcomers.of(app, seconds))
        figures |= _watched(app, snapshot, f"{setting}_{_RUNS}", seconds, come)
    return figures


def _edit(
    app: LiveApp,
    edits: Edits,
    name: str,
    pace: tuple[int, int],
    numbers: Iterator[int],
    sightings: Sightings,
) -> Achieved:
    """Edit at a rate for so many seconds, a probe each second."""
    rate, seconds = pace
    with alongside(partial(edits.write_probes, app, sightings, seconds, numbers)):
        return edits.write(app, steady(rate, seconds), name)


def _come(app: LiveApp, newcomers: Newcomers, sightings: Sightings) -> Achieved:
    """Have a newcomer come each second, with a probe."""
    probes = Edits(newcomers.papers)

    def one(number: int) -> None:
        probe = probes.probe(number)
        sightings.expect(probe)
        newcomers.come(app, number, probe.item)

    return paced(steady(1, newcomers.papers.receipts), one)


def _watched(
    app: LiveApp,
    snapshot: Snapshot,
    name: str,
    seconds: int,
    write: Callable[[Sightings], Achieved],
) -> Figures:
    """Return what a reader saw of what `write` wrote, and what the app did for it."""
    sightings, since = Sightings(), utc_now()
    with watching(snapshot, sightings):
        achieved = write(sightings)
        left = app.rest(LOST_AFTER, lambda: sightings.all_seen)
    rounds = read_rounds(app.logs, since.timestamp())
    figures = sightings.figures(name) | {
        f"{name}_achieved_rate": round(achieved.count / max(achieved.seconds, seconds), 2),
        f"{name}_executions": len(app.executions(since)),
        f"{name}_rounds": len(rounds),
        f"{name}_second_runner_rounds": beside_another(rounds),
        f"{name}_left_in_inbox": left,
    }
    if left:
        app.nudge()  # or the next rate would begin with it
    return figures


def summary(figures: Figures, *, in_step: bool) -> Figures:
    """Return what answers the question, taken over all rates and both settings."""

    def total(of: str) -> float:
        return sum(value for key, value in figures.items() if key.endswith(of))

    shown = {
        key: figures[key]
        for key in (f"{setting}_{_SHOWN_RATE}_p95_s" for setting in SETTINGS)
        if key in figures
    }
    return shown | {
        "never_visible": total("_never_visible"),
        "second_runner_rounds": total("_second_runner_rounds"),
        "in_step": int(in_step),
    }


def targets_of(rates: Sequence[int]) -> dict[str, Target]:
    """Return what each figure should be at these rates."""
    targets = {
        "never_visible": at_most(0),
        "second_runner_rounds": at_most(0),
        "in_step": at_least(1),
    }
    for rate in (*rates, _RUNS):
        targets |= {
            f"r0_{rate}_p95_s": at_most(2.5),
            f"r0_{rate}_max_s": at_most(6),
            f"rD_{rate}_p95_s": at_most(default_pace() + 3),
        }
    return targets

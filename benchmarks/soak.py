"""A long afternoon of trouble: traffic that swells and bursts, and receipts that come, while
executions are aborted, calls fail, functions die, leases are stolen and somebody types commands, a
rollback among them. Nothing may be lost, and nothing may lie unattended.

`stranded_max_s` is the longest time that any message stood in the inbox (to be had, in flight or
delayed) while no execution ran that drains it; `stranded_visible_max_s` counts those to be had
alone. `lost` is what differs after a start by hand, if one was needed; `in_step` says that none
was. `missing` are embeddings that came with their receipts and are not there.
`commands_failed` counts what was typed and ended neither by yes nor by no. The remark says what
happened while the slowest probe was waited for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from operator import itemgetter
from time import monotonic

from benchmarks.beside import alongside, every
from benchmarks.freshness import LOST_AFTER
from benchmarks.live import LiveApp, live_app
from benchmarks.measure import Figures
from benchmarks.newcomers import Newcomers
from benchmarks.operator import Operator
from benchmarks.pacing import Achieved, paced
from benchmarks.papers import Papers
from benchmarks.probed_edits import Edits
from benchmarks.probes import Sightings, watching
from benchmarks.report import Report, at_least, at_most
from benchmarks.rounds import beside_another, read_rounds
from benchmarks.stage import Stage
from benchmarks.troubles import KINDS, Trouble, Troublemaker, plan, traffic
from instep.cli.output import remarks
from instep.cli.syncing import PREFIX
from instep.clock import utc_now
from instep.local.fault_proxy import FaultProxy
from instep.snapshot.copy.reader import open_snapshot

MINUTES = 20.0
RECEIPTS = 100
SEED = 15
TARGETS = {
    "stranded_max_s": at_most(60),
    "lost": at_most(0),
    "missing": at_most(0),
    "in_step": at_least(1),
    "commands_failed": at_most(0),
}

_LOOK_SECONDS = 0.5
_COME_SECONDS = 5.0  # from one new receipt to the next
_BEFORE_SECONDS = 30.0  # a trouble may outlast its moment so long: a stolen lease does


class Stranding:
    """How long messages stood while nothing ran, from samples in order of time."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._since: float | None = None

    def sample(self, at: float, messages: int, running: int) -> None:
        """Note what was found at an instant (seconds)."""
        if not messages or running:
            self._since = None
            return
        self._since = at if self._since is None else self._since
        self.longest = max(self.longest, at - self._since)


def run(
    stage: Stage,
    minutes: float = MINUTES,
    seed: int = SEED,
    receipts: int = RECEIPTS,
    context: Mapping[str, str] | None = None,
) -> Report:
    """Return what the trouble did."""
    papers = Papers(receipts)
    with FaultProxy() as proxy, live_app(stage.scratch / "soak", context, proxy) as app:
        app.seed(papers)
        seconds = minutes * 60
        newcomers = Newcomers.of(app, round(seconds / _COME_SECONDS))
        due, troubles = traffic(seed, seconds), plan(seed, seconds)
        figures, slowest = measure(app, proxy, Edits(papers), newcomers, due, troubles)
    return Report(
        "soak",
        f"{minutes:g} minutes on {papers.words:,} words, 1 to 20 edits a second and bursts of up "
        f"to 300; trouble by seed {seed}",
        figures,
        TARGETS,
        remark=slowest,
    )


def measure(
    app: LiveApp,
    proxy: FaultProxy,
    edits: Edits,
    newcomers: Newcomers,
    due: Sequence[float],
    troubles: Sequence[Trouble],
) -> tuple[Figures, str]:
    """Return the figures of an app that carries the papers, edited when `due` amid the troubles,
    while the newcomers come, and a line about the slowest probe.
    """
    sightings, any_left, to_be_had, since = Sightings(), Stranding(), Stranding(), utc_now()
    trouble, operator = Troublemaker(app, proxy), Operator(app)
    with (
        open_snapshot(app.session.objects, "words") as snapshot,
        watching(snapshot, sightings),
        _sampling(app, any_left, to_be_had),
    ):
        with (
            alongside(
                partial(edits.write_probes, app, sightings, due[-1], count()),
                partial(_come, app, newcomers),
            ) as (_, coming),
            trouble.at_work(troubles),
            operator.at_work(),
        ):
            achieved = edits.write(app, due, "soak")
        operator.finish()
        left = app.rest(LOST_AFTER, lambda: sightings.all_seen)
    ended = Counter(execution["status"].lower() for execution in app.executions(since))
    for failed in operator.failed:
        remarks.print(failed, markup=False)
    rounds = read_rounds(app.logs, since.timestamp())
    probed = sightings.figures("probe")
    behind = app.differences() + newcomers.missing(app)
    if behind:
        app.nudge()  # what comes back by hand was stranded, not lost
    return {
        "stranded_max_s": round(any_left.longest, 1),
        "stranded_visible_max_s": round(to_be_had.longest, 1),
        "lost": app.differences() if behind else 0,
        "missing": newcomers.missing(app),
        "in_step": int(not behind),
        "left_in_inbox": left,
        **probed,
        "edits": achieved.count,
        "receipts": coming.result().count,
        "rounds": len(rounds),
        "second_runner_rounds": beside_another(rounds),
        "commands": len(operator.happened),
        "commands_failed": len(operator.failed),
        **{f"trouble_{kind}": trouble.done[kind] for kind in KINDS},
        **{f"executions_{status}": number for status, number in sorted(ended.items())},
    }, _slowest(sightings, [*trouble.happened, *operator.happened])


def _come(app: LiveApp, newcomers: Newcomers) -> Achieved:
    due = [number * _COME_SECONDS for number in range(newcomers.papers.receipts)]
    return paced(due, partial(newcomers.come, app))


def _slowest(sightings: Sightings, happened: Iterable[tuple[float, str]]) -> str:
    """Return how long the slowest probe took, and what happened then, at seconds from its write."""
    written, waited = max(sightings.waits, key=itemgetter(1), default=(0.0, 0.0))
    amid = sorted(
        (at - written, what) for at, what in happened if -_BEFORE_SECONDS <= at - written <= waited
    )
    return f"slowest probe: {waited:.0f} s, amid " + (
        ", ".join(f"{what} at {at:.0f} s" for at, what in amid) or "nothing"
    )


def _drains(execution: str) -> bool:
    """Whether an execution (its ARN) takes what the inbox holds: a sync only adds to it."""
    return not execution.rpartition(":")[2].startswith(PREFIX)


@contextmanager
def _sampling(app: LiveApp, any_left: Stranding, to_be_had: Stranding) -> Iterator[None]:
    """Sample inbox and executions twice a second, until the block ends."""

    def sample() -> None:
        (visible, waiting), running = app.waiting(), sum(map(_drains, app.running()))
        any_left.sample(monotonic(), waiting, running)
        to_be_had.sample(monotonic(), visible, running)

    with every(_LOOK_SECONDS, sample, "sampler"):
        yield

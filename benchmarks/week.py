"""A week in minutes: traffic by day and by night, what goes wrong in a week, who tells of it, how
far behind readers were, and what it cost.

A day is a minute, and a minute of CloudWatch's some seconds: the template's own alarms are judged
by what the functions printed and the services told (`instep.local.alarms`). Rounds, retries and
leases keep their real seconds. Before Monday come ordinary days, on which nothing happens: the cost
is counted as in `cost`, and theirs held against what `instep cost` says (`week_cost`).
"""

from functools import partial
from itertools import count
from threading import Event as Ended
from time import monotonic

from benchmarks.beside import alongside, every
from benchmarks.deployed_stack import DeployedStack
from benchmarks.freshness import LOST_AFTER
from benchmarks.live import LiveApp, live_app
from benchmarks.measure import Figures
from benchmarks.meter import Meter
from benchmarks.papers import Papers
from benchmarks.probed_edits import Edits
from benchmarks.probes import Sightings, watching
from benchmarks.report import Report, at_least, at_most
from benchmarks.rounds import read_rounds
from benchmarks.stage import Stage
from benchmarks.week_cost import estimated, held_against, of_trouble, whole_rounds
from benchmarks.week_events import EVENTS, Event, Week
from benchmarks.week_traffic import DAY, NIGHT, NOON, traffic
from benchmarks.window import Window
from benchmarks.wire_usage import CountingProxy
from instep.app import DEFAULT_STACK
from instep.clock import utc_now
from instep.costs.estimate import Workload
from instep.local.alarms import AlarmStates, read_alarms
from instep.local.cloud_metrics import CloudMetrics
from instep.snapshot.copy.reader import open_snapshot

DAYS = 7
ORDINARY = 2  # days before Monday
MINUTE = 6.0  # seconds that stand for one of CloudWatch's: five hold three rounds' errors
RECEIPTS = 40
ROUND_SECONDS = 10
TARGETS = {
    "lost": at_most(0),
    "in_step": at_least(1),
    "untold": at_most(0),
    "told_for_nothing": at_most(0),
    "cost_estimated_to_counted": at_most(1.1),
    "cost_counted_to_estimated": at_most(1.1),
}

_LOOK_SECONDS = 1.0


class Teller:
    """Who listens to the alarms: when each began to speak, and all that ever did."""

    def __init__(self, app: LiveApp) -> None:
        stack = DeployedStack.read(app.target, DEFAULT_STACK)
        source = CloudMetrics(app.target, DEFAULT_STACK, since=utc_now().timestamp())
        self._states = AlarmStates(
            read_alarms(stack.template, stack.physical), source, minute=MINUTE
        )
        self.now: set[str] = set()
        self.spoken: list[tuple[float, str]] = []

    def listen(self) -> None:
        """Note which of them have begun to speak since the last time."""
        speaking = self._states.speaking()
        self.spoken += [(monotonic(), name) for name in speaking - self.now]
        self.now = speaking

    def since(self, began: float) -> list[tuple[float, str]]:
        """Return which began to speak since then, and when."""
        return [(at, name) for at, name in self.spoken if at >= began]


def run(stage: Stage, minutes: float = DAYS, receipts: int = RECEIPTS) -> Report:
    """Return what the week was like, or its first days, a minute each."""
    papers, days = Papers(receipts), int(minutes)
    context = {"roundSeconds": str(ROUND_SECONDS)}
    with CountingProxy() as proxy, live_app(stage.scratch / "week", context, proxy) as app:
        app.seed(papers)
        figures, told = _measure(Week(app, proxy, papers), Meter(app, proxy), days)
    return Report(
        "week",
        f"{ORDINARY} and {days} days of a minute each on {papers.words:,} words, {NIGHT:g} edits a "
        f"second by night and {NOON:g} at noon",
        figures,
        TARGETS,
        remark=told,
    )


def _measure(week: Week, meter: Meter, days: int) -> tuple[Figures, str]:
    app, edits, due = week.app, Edits(week.papers), list(traffic(ORDINARY + days))
    sightings, teller, numbers = Sightings(), Teller(app), count()
    with open_snapshot(app.session.objects, "words") as snapshot, watching(snapshot, sightings):
        began, instant = monotonic(), utc_now().timestamp()
        with every(_LOOK_SECONDS, teller.listen, "teller"):
            monday = began + ORDINARY * DAY
            with alongside(
                partial(edits.write_probes, app, sightings, due[-1], numbers),
                partial(edits.write, app, due, "week"),
            ):
                happened = [
                    _happen(week, event, monday, teller) for event in EVENTS if event.day < days
                ]
            ended = utc_now().timestamp()
            left = app.rest(LOST_AFTER, lambda: sightings.all_seen)
    behind = app.differences()
    if behind:
        app.nudge()
    figures, lines = _told_of(happened, teller, sightings)
    return {
        "lost": app.differences() if behind else 0,
        "in_step": int(not behind),
        "left_in_inbox": left,
        **sightings.figures("probe"),
        **figures,
        **_cost(week, meter, Window(instant, ended), (ORDINARY + days) * DAY),
    }, "; ".join(lines)


Happened = tuple[Event, float, float, str]
"""An event, when it began and ended (monotonic seconds), and the alarm that told of it."""


def _told_of(
    happened: list[Happened], teller: Teller, sightings: Sightings
) -> tuple[Figures, list[str]]:
    figures: Figures = {}
    lines: list[str] = []
    for event, at, over, alarm in happened:
        waits = [wait for written, wait in sightings.waits if at - 1 <= written < over]
        figures[f"{event.name}_behind_s"] = round(max(waits, default=0.0), 1)
        lines.append(f"{event.name}: {alarm or 'nobody was told'}, {over - at:.0f} s")
    expected = {name for event in EVENTS for name in event.told_by}
    surprising = {name for _, name in teller.spoken} - expected
    if surprising:
        lines.append(f"unexpected: {', '.join(sorted(surprising))}")
    untold = sum(bool(event.told_by) and not alarm for event, _, _, alarm in happened)
    return {"untold": untold, "told_for_nothing": len(surprising), **figures}, lines


def _cost(week: Week, meter: Meter, whole: Window, traffic_s: float) -> Figures:
    """Return the bills of the ordinary days' rounds and of the week behind them, whose last event
    may outlast the traffic.
    """
    monday = whole.began + ORDINARY * DAY
    load = Workload(
        changes=0,
        collections=1,  # a label feeds its word alone
        round_seconds=ROUND_SECONDS,
        embeddings=week.papers.words,
    )
    rounds = read_rounds(week.app.logs, whole.began)
    ordinary = whole_rounds(rounds, Window(whole.began, monday))
    guess = estimated(ordinary.began - whole.began, ordinary.ended - whole.began, load)
    week_guess = estimated(ORDINARY * DAY, traffic_s, load)
    return {
        **held_against(meter.used(ordinary), guess),
        **of_trouble(meter.used(Window(monday, whole.ended)), week_guess),
        "ordinary_began_s": round(ordinary.began - whole.began, 2),
        "ordinary_s": round(ordinary.seconds, 2),
        "ordinary_rounds": sum(one.began in ordinary for one in rounds),
        "week_s": round(whole.ended - monday, 2),
    }


def _happen(week: Week, event: Event, monday: float, teller: Teller) -> Happened:
    """Let an event happen when it is due; return when it began and ended, and the alarm's name."""
    pause = Ended()
    pause.wait(max(0.0, monday + event.day * DAY - monotonic()))
    at, alarm = monotonic(), ""
    with event.happening(week):
        while monotonic() - at < event.lasts and not (alarm and event.taken_back):
            pause.wait(_LOOK_SECONDS)
            alarm = alarm or _began_to_tell(event, teller, at)
    alarm = alarm or _began_to_tell(event, teller, at) or _tells_still(event, teller)
    return event, at, monotonic(), alarm


def _began_to_tell(event: Event, teller: Teller, since: float) -> str:
    for at, name in teller.since(since):
        if name in event.told_by:
            return f"{name} after {at - since:.0f} s"
    return ""


def _tells_still(event: Event, teller: Teller) -> str:
    """Return an alarm that the event before had set off, and that this one kept up."""
    return next((f"{name} still" for name in event.told_by & teller.now), "")

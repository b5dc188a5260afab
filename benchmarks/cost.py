"""What steady changes on both collections, one a second, cost a month: counted, not estimated.

A label (words) and a merchant (words and lines) are edited in turn at the default pace. What the
functions and the workflow use from one round's beginning to a later one's is counted: states from
the histories, calls and milliseconds from the functions' own lines, requests by a proxy between
functions and cloud. item = amount in the window / its seconds * a month's seconds * its price; the
month's starts by the schedule, each as an idle one was counted, come on top (an idle month is those
alone). Prices and what no local cloud can tell: `instep.costs.prices`; milliseconds are those of
this machine. What a call of each function used is shown too: `instep.costs.counted` is read off it.
"""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.items import label, merchant
from benchmarks.live import LiveApp, live_app
from benchmarks.measure import Figures
from benchmarks.meter import Meter
from benchmarks.pacing import paced, steady
from benchmarks.papers import Papers
from benchmarks.per_call import Calls
from benchmarks.report import Report, at_most
from benchmarks.rounds import Round, read_rounds
from benchmarks.schedule import backstop
from benchmarks.stage import Stage
from benchmarks.window import Window
from benchmarks.wire_usage import CountingProxy
from instep.clock import utc_now
from instep.costs.prices import MONTH_SECONDS, a_month, added, bill
from instep.local.executions import follow, start

SECONDS = 120
RATES = (1,)
RECEIPTS = 100
WARM_UP = 20  # seconds of traffic before the window: cold starts are no steady state
TARGETS = {"usd_month_total": at_most(60)}


class TooFewRounds(Exception):
    """The window does not hold a whole round."""


def run(
    stage: Stage,
    seconds: int = SECONDS,
    receipts: int = RECEIPTS,
    rates: Sequence[int] = RATES,
    context: Mapping[str, str] | None = None,
) -> Report:
    """Return the month's bill by item; of several rates one after the other, named by the rate."""
    papers, figures = Papers(receipts), Figures()
    with CountingProxy() as proxy, live_app(stage.scratch / "cost", context, proxy) as app:
        app.seed(papers)
        for rate in rates:
            found = measure(app, proxy, papers, seconds, rate=rate)
            name = "" if len(rates) == 1 else f"r{rate}_"
            figures |= {f"{name}{figure}": value for figure, value in found.items()}
    pace = " and ".join(map(str, rates))
    return Report(
        "cost",
        f"{pace} changes a second on {papers.words:,} words and {papers.lines:,} lines, "
        f"{seconds} s",
        figures,
        TARGETS if tuple(rates) == RATES else {},
    )


def measure(
    app: LiveApp,
    proxy: CountingProxy,
    papers: Papers,
    seconds: int,
    warm_up: int = WARM_UP,
    rate: int = 1,
) -> Figures:
    """Return the bill of an app that carries the papers; its schedule is off when this ends."""
    schedule = backstop(app)
    schedule.switch(enabled=False)
    meter = Meter(app, proxy)
    one_start = meter.used(_idle_start(app))
    starts = MONTH_SECONDS / schedule.seconds
    idle = added(
        {item: amount * starts for item, amount in one_start.items()}, {"schedules": starts}
    )
    since = utc_now()
    achieved = paced(steady(rate, warm_up + seconds), _edit(app, papers))
    app.rest(60.0)
    rounds = read_rounds(app.logs, since.timestamp() + warm_up)
    window = _of_whole_rounds(rounds)
    used = meter.used(window)
    steadily = a_month(used, window.seconds)
    costs = bill(added(steadily, idle))
    return {
        "usd_month_total": round(sum(costs.values()), 2),
        "usd_idle_month": round(sum(bill(idle).values()), 2),
        **{f"usd_month_{item}": round(usd, 3) for item, usd in costs.items()},
        **{f"month_{item}": round(amount, 3) for item, amount in added(steadily, idle).items()},
        "rounds_per_month": round((len(rounds) - 1) * MONTH_SECONDS / window.seconds),
        "transitions_per_round": round(used["transitions"] / (len(rounds) - 1), 2),
        "transitions_idle_start": one_start["transitions"],
        "window_s": round(window.seconds, 1),
        "achieved_rate": round(achieved.count / max(achieved.seconds, warm_up + seconds), 3),
        **Calls(app, proxy).figures(window),
    }


def _edit(app: LiveApp, papers: Papers) -> Callable[[int], None]:
    def edit(number: int) -> None:
        if number % 2:
            word = papers.ids[number * 101 % papers.words]
            app.put(label(word, f"edit-{number}"))
        else:
            receipt = papers.receipt(number % papers.receipts)
            app.put(merchant(receipt, f"Merchant {number}"))

    return edit


def _idle_start(app: LiveApp) -> Window:
    """Start an execution that finds nothing, twice: the second one's functions are warm."""
    client, machine = app.session.stepfunctions, app.session.deployment.state_machine_arn
    follow(client, start(client, machine))
    app.rest(60.0)
    began = utc_now()
    follow(client, start(client, machine))
    app.rest(60.0)
    return Window(began.timestamp(), utc_now().timestamp())


def _of_whole_rounds(rounds: Sequence[Round]) -> Window:
    """Return the time from the first round's beginning to the last one's: no part of a round."""
    if len(rounds) < 2:
        raise TooFewRounds(f"{len(rounds)} rounds in the window: give more --seconds")
    return Window(rounds[0].began, rounds[-1].began)

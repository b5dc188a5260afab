"""The benchmarks of the app left to itself, each for seconds: what they read is really there."""

from collections.abc import Iterator

import pytest

from benchmarks import cost, freshness, soak
from benchmarks.live import LiveApp
from benchmarks.newcomers import Newcomers
from benchmarks.operator import Operator
from benchmarks.papers import Papers
from benchmarks.per_call import Calls
from benchmarks.probed_edits import Edits
from benchmarks.troubles import Trouble, victim_of
from benchmarks.window import Window
from benchmarks.wire_usage import CountingProxy
from instep.cli.session import Session
from instep.clock import utc_now
from instep.costs.counted import INGEST
from instep.costs.metric_names import BUSY, BY_COLLECTION, EVERY_CALL
from instep.local.deploy import bootstrap, deploy_assembly, synthesize
from instep.local.launcher import LocalCloud
from instep.local.target import Target

PAPERS = Papers(1)
Live = tuple[LiveApp, CountingProxy]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The app with its triggers on and a round a second, carrying the papers."""
    context = {"localCloud": "true", "roundSeconds": "1"}
    assembly = synthesize(tmp_path_factory.mktemp("synth") / "cdk.out", context)
    with CountingProxy() as proxy:
        state = tmp_path_factory.mktemp("live") / "state"
        cloud = LocalCloud.start(state, functions_endpoint=proxy.endpoint, tied=True)
        proxy.upstream = cloud.endpoint
        try:
            target = Target.of(cloud)
            bootstrap(target)
            app = LiveApp(Session(target, deploy_assembly(target, assembly)))
            app.seed(PAPERS)
            yield app, proxy
        finally:
            cloud.stop()


def test_probes_are_seen_and_rounds_counted(live: Live) -> None:
    app, _ = live
    figures = freshness.measure(app, Edits(PAPERS), "r0", (5,), 3)
    assert figures["r0_5_probes"] == 3
    assert figures["r0_5_never_visible"] == 0
    assert 0 < figures["r0_5_p50_s"] <= figures["r0_5_max_s"]
    assert figures["r0_5_executions"] >= 1
    assert figures["r0_5_rounds"] >= 1
    assert figures["r0_runs_never_visible"] == 0
    assert app.differences() == 0


def test_a_month_is_billed_by_what_was_counted(live: Live) -> None:
    app, proxy = live
    since = utc_now().timestamp()
    figures = cost.measure(app, proxy, PAPERS, seconds=6, warm_up=1)
    counted = ("transitions", "lambda_requests", "lambda_gb_s", "s3_put", "s3_get", "sqs", "log_gb")
    for item in (*counted, "dynamodb_write", "dynamodb_read"):
        assert figures[f"usd_month_{item}"] > 0, item
    assert 0 < figures["usd_idle_month"] < figures["usd_month_total"]
    assert figures["transitions_idle_start"] <= figures["transitions_per_round"]
    assert figures["call_ingest_sqs"] == INGEST.requests["sqs"]
    printed = Calls(app, proxy).metric_names(Window(since, utc_now().timestamp()))
    in_a_busy_hour = BUSY.keys() - {"fold_snapshot"}
    told_apart = {(name, of, "") for of in in_a_busy_hour for name in BUSY[of] | EVERY_CALL}
    assert told_apart <= printed
    assert {name for name, _, collection in printed if collection} == BY_COLLECTION


def test_trouble_is_counted_and_what_it_left_is_said(live: Live) -> None:
    app, proxy = live
    dice = next(n / 100 for n in range(100) if victim_of(app, n / 100) == "ingest")
    troubles = [Trouble(0.0, "call_unavailable", 3.0, dice)]
    newcomers, due = Newcomers.of(app, 1, seed=4), [n / 10 for n in range(30)]
    figures, slowest = soak.measure(app, proxy, Edits(PAPERS), newcomers, due, troubles)
    assert soak.TARGETS.keys() <= figures.keys()
    assert (figures["edits"], figures["probe_probes"]) == (30, 2)
    assert figures["trouble_call_unavailable"] > 0
    assert "amid call_unavailable in ingest at" in slowest
    assert figures["receipts"] == 1
    assert (figures["lost"], figures["missing"], figures["in_step"]) == (0, 0, 1)


def test_commands_are_typed_one_after_the_other_and_answered(live: Live) -> None:
    operator = Operator(live[0])
    for _ in range(3):
        operator.type_next()
    assert (len(operator.happened), operator.failed) == (3, [])

"""Alarms, dashboard, runbook and the metrics that are printed: all name the same things."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from typer.main import get_command

from instep.cli.app import app as command_line
from instep.costs.counted import IDLE_START, ROUND
from instep.local.alarms import AlarmStates, Metric, read_alarms
from tests.infrastructure.synthesis import Synthesized
from tests.support.marks import ROOT

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
CONTRACT = (ROOT / "docs" / "domain.md").read_text()
PAGES = re.findall(r"^## ([a-z-]+)$", RUNBOOK, re.MULTILINE)
COMMANDS = sorted(set(re.findall(r"^(instep [^#\n]+)", RUNBOOK, re.MULTILINE)))
MENTIONED = sorted(set(re.findall(r"\binstep ([a-z]+)", RUNBOOK)))
BUDGET = "monthly-budget"  # no alarm of CloudWatch's, but it speaks to the same topic


def alarms(app: Synthesized) -> dict[str, dict[str, Any]]:
    """Each alarm's properties by its name without the stack's."""
    found = app.resources("AWS::CloudWatch::Alarm").values()
    return {alarm["AlarmName"].removeprefix("Instep-"): alarm for alarm in found}


def metrics_of(alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "MetricName" in alarm:
        return [dict(alarm)]
    listed = [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]
    return list(listed)


def test_every_alarm_has_its_page_and_every_page_its_alarm(app: Synthesized) -> None:
    assert sorted(PAGES) == sorted([*alarms(app), BUDGET])
    for name, alarm in alarms(app).items():
        assert alarm["AlarmDescription"].endswith(f"docs/runbook.md#{name}")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_it_means_where_to_look_what_to_type_and_when_it_is_over(
    page: str,
) -> None:
    text = RUNBOOK.partition(f"\n## {page}\n")[2].partition("\n## ")[0]
    parts = re.findall(r"^\*\*(Means|Look here|Type this|Over)\b", text, re.MULTILINE)
    assert parts == ["Means", "Look here", "Type this", "Over"]
    assert "instep " in text or page in {"function-throttles"}, "there is something to type"


@pytest.mark.parametrize("command", MENTIONED)
def test_every_command_of_the_runbook_exists(command: str) -> None:
    assert command in registered()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_runbook_is_understood(command: str) -> None:
    """Its options are the command's; placeholders stand for values."""
    _, name, *arguments = command.replace('"', "").split()
    group: Any = get_command(command_line)
    _, loaded, _ = group.resolve_command(None, [name])
    known = {option for parameter in loaded.params for option in parameter.opts}
    assert {given for given in arguments if given.startswith("-")} <= known


def registered() -> set[str]:
    group: Any = get_command(command_line)
    return set(group.commands)


def test_each_alarm_speaks_when_it_begins_and_when_it_is_over_and_never_for_want_of_data(
    app: Synthesized,
) -> None:
    (topic,) = app.resources("AWS::SNS::Topic")
    for name, alarm in alarms(app).items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}], name
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold", name
        assert len(metrics_of(alarm)) <= 10, f"{name}: CloudWatch takes no more in an alarm"


def test_the_topic_is_encrypted_by_a_key_that_alarms_may_use_and_refuses_plain_http(
    app: Synthesized,
) -> None:
    (key,) = app.resources("AWS::KMS::Key")
    assert app.one("AWS::SNS::Topic")["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    users = [
        statement
        for statement in app.one("AWS::KMS::Key")["KeyPolicy"]["Statement"]
        if statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    ]
    (used,) = users
    assert {"kms:Decrypt", "kms:GenerateDataKey*"} == set(used["Action"])
    assert used["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    policy = app.one("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    refused = [each for each in policy if each["Effect"] == "Deny"]
    assert [each["Condition"] for each in refused] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_every_metric_of_ours_is_one_of_the_contract_by_function_and_stack(
    app: Synthesized,
) -> None:
    services = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for function in app.resources("AWS::Lambda::Function").values()
    }
    watched = [
        (one["MetricName"], {each["Name"]: each["Value"] for each in one["Dimensions"]})
        for alarm in alarms(app).values()
        for one in metrics_of(alarm)
        if one["Namespace"] == "EmbeddingWorkflow"
    ]
    shown = [
        (name, dict(zip(rest[::2], rest[1::2], strict=True)))
        for namespace, name, *rest in dashboard_metrics(app)
        if namespace == "EmbeddingWorkflow"
    ]
    assert {name for name, _ in watched} == {
        "HeadBehindSeconds",
        "PeakMemoryPercent",
        "CompactionFoldTooLarge",
    }
    for name, dimensions in watched + shown:
        assert name in CONTRACT
        assert dimensions.pop("stack") == "Instep"
        assert dimensions.pop("service") in services
        assert set(dimensions) <= {"collection"}


def dashboard_metrics(app: Synthesized) -> Iterable[list[str]]:
    """Yield namespace, name and dimensions of each metric shown; references as `?`."""
    for widget in dashboard(app)["widgets"]:
        for row in widget["properties"].get("metrics", []):
            texts = [each for each in row if isinstance(each, str)]
            if texts:
                yield texts


def dashboard(app: Synthesized) -> dict[str, Any]:
    body = app.one("AWS::CloudWatch::Dashboard")["DashboardBody"]
    text = "".join(part if isinstance(part, str) else "?" for part in body["Fn::Join"][1])
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def test_the_dashboard_answers_four_questions_and_shows_every_alarm(app: Synthesized) -> None:
    widgets = dashboard(app)["widgets"]
    titles = " ".join(widget["properties"]["title"] for widget in widgets)
    for question in ("In step?", "How far behind?", "What failed?", "What does it cost?"):
        assert question in titles
    assert len(widgets[0]["properties"]["alarms"]) == len(alarms(app))


@pytest.mark.parametrize("service", ["ingest", "fold_snapshot"])
def test_lambda_s_cost_follows_the_memory_a_function_is_given(
    app: Synthesized, service: str
) -> None:
    memory = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: function["MemorySize"]
        for function in app.resources("AWS::Lambda::Function").values()
    }[service]
    (factor,) = set(re.findall(rf"ms_{service} \* ([\d.e-]+)", json.dumps(dashboard(app))))
    assert float(factor) == pytest.approx(0.0000133334 * memory / 1024 / 1000, rel=1e-4)


def test_states_cost_what_was_counted_of_a_start_and_of_a_round(app: Synthesized) -> None:
    """A start enters 3 states, a round 3 more and is an Express execution's start."""
    shown = json.dumps(dashboard(app))
    (a_start,) = set(re.findall(r"starts \* ([\d.e-]+)", shown))
    (a_round,) = set(re.findall(r"rounds \* ([\d.e-]+)", shown))
    assert float(a_start) == pytest.approx(IDLE_START["transitions"] * 25e-6)
    assert float(a_round) == pytest.approx(ROUND["transitions"] * 25e-6 + 1e-6)


def test_what_the_mapping_gives_up_is_counted(app: Synthesized) -> None:
    assert app.one("AWS::Lambda::EventSourceMapping")["MetricsConfig"] == {
        "Metrics": ["EventCount"]
    }


def test_those_alarms_judge_a_rollout_that_a_bad_build_sets_off(app: Synthesized) -> None:
    (alias,) = app.resources("AWS::StepFunctions::StateMachineAlias").values()
    judges = [judge["Ref"] for judge in alias["DeploymentPreference"]["Alarms"]]
    found = app.resources("AWS::CloudWatch::Alarm")
    names = {found[judge]["AlarmName"].removeprefix("Instep-") for judge in judges}
    assert names == {
        "executions-failed",
        "executions-timed-out",
        "function-errors",
        "head-behind",
    }


class Measured:
    """A source in which metrics of these names have a value, and no other has any."""

    def __init__(self, **values: float) -> None:
        self._values = values

    def look(self) -> None:
        """Nothing changes."""

    def values(self, metric: Metric, began: float, ended: float) -> Iterable[float]:
        assert began < ended
        return [self._values[metric.name]] if metric.name in self._values else []


VISIBLE = "ApproximateNumberOfMessagesVisible"
CASES: list[tuple[str, dict[str, float], dict[str, float]]] = [
    ("dlq-holds-messages", {VISIBLE: 1}, {VISIBLE: 0}),
    ("records-given-up", {"DroppedEventCount": 1}, {"DroppedEventCount": 0}),
    ("records-given-up", {"OnFailureDestinationDeliveredEventCount": 3}, {}),
    ("nothing-runs", {VISIBLE: 1}, {VISIBLE: 1, "ConcurrentExecutions": 1}),
    ("nothing-runs", {VISIBLE: 7}, {VISIBLE: 0}),
    ("head-behind", {"HeadBehindSeconds": 900}, {"HeadBehindSeconds": 899}),
    (
        "inbox-oldest-message",
        {"ApproximateAgeOfOldestMessage": 900},
        {"ApproximateAgeOfOldestMessage": 899},
    ),
    ("stream-behind", {"IteratorAge": 300_000}, {"IteratorAge": 299_999}),
    ("executions-failed", {"ExecutionsFailed": 1}, {"ExecutionsAborted": 1}),
    ("executions-timed-out", {"ExecutionsTimedOut": 1}, {}),
    ("executions-aborted", {"ExecutionsAborted": 1}, {"ExecutionsFailed": 1}),
    ("function-errors", {"Errors": 1}, {"Errors": 0}),  # of each of several functions
    ("function-throttles", {"Throttles": 1}, {"Throttles": 0}),
    ("fold-fails", {"Errors": 3}, {"Errors": 2}),
    ("fold-too-large", {"CompactionFoldTooLarge": 1}, {"CompactionFoldTooLarge": 0}),
    ("sweep-fails", {"Errors": 1}, {"Errors": 0}),
    ("apply-updates-slow", {"Duration": 720_000}, {"Duration": 719_999}),
    ("memory-nearly-used", {"PeakMemoryPercent": 80}, {"PeakMemoryPercent": 79}),
]


def test_every_alarm_has_a_case(app: Synthesized) -> None:
    assert {name for name, _, _ in CASES} == set(alarms(app))


@pytest.mark.parametrize(("name", "speaks", "keeps_quiet"), CASES)
def test_an_alarm_speaks_from_its_threshold_on_and_not_below(
    app: Synthesized, name: str, speaks: dict[str, float], keeps_quiet: dict[str, float]
) -> None:
    declared = read_alarms(app.template, defaultdict(lambda: "there"))
    assert AlarmStates(declared, Measured(**speaks)).speaking(name) == {name}
    assert AlarmStates(declared, Measured(**keeps_quiet)).speaking(name) == set()
    assert AlarmStates(declared, Measured()).speaking(name) == set()

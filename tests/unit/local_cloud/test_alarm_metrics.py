"""Metric math, and what is read from a queue as CloudWatch would have measured it."""

from datetime import datetime, timedelta

import pytest

from instep.clock import utc_now
from instep.local.alarms import Alarm as Declared
from instep.local.alarms import AlarmStates, Metric, Query
from instep.local.cloud_metrics import CloudMetrics
from instep.local.metric_math import ExpressionUnknown, evaluate
from instep.local.target import Target
from tests.support.aws import services


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a + 2 * b", 7.0),
        ("b / a - 1", 2.0),
        ("a * gone", None),
        ("SUM([a, b, gone])", 4.0),
        ("MAX([gone, b, a * 0])", 3.0),
        ("SUM([gone])", None),
        ("IF(b > a, 10, 20)", 10.0),
        ("IF(MAX([gone, a * 0]) > 0, 0, b)", 3.0),
        ("IF(gone > 0, 1, 2)", None),
        ("SUM([a, b]) * 0.5", 2.0),
    ],
)
def test_an_expression_of_values_of_which_one_is_missing(
    expression: str, value: float | None
) -> None:
    assert evaluate(expression, {"a": 1.0, "b": 3.0, "gone": None}) == value


@pytest.mark.parametrize("expression", ["FILL(a, 0)", "a ** 2", "SUM(a)", "'text'"])
def test_what_is_not_implemented_is_refused_and_not_guessed(expression: str) -> None:
    with pytest.raises(ExpressionUnknown):
        evaluate(expression, {"a": 1.0})


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


def only(metric: Metric, threshold: float, periods: int) -> dict[str, Declared]:
    query = Query("it", 60.0, metric, "Maximum")
    return {"it": Declared("it", (query,), "it", threshold, periods)}


def queue_metric(name: str) -> Metric:
    return Metric("AWS/SQS", name, (("QueueName", "waits"),))


def test_the_age_of_the_oldest_message_grows_with_the_clock_and_ends_with_the_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with services(monkeypatch) as made:
        url = made.sqs.create_queue(QueueName="waits")["QueueUrl"]
        clock = Clock()
        source = CloudMetrics(Target.aws(), "Instep", clock)
        declared = only(queue_metric("ApproximateAgeOfOldestMessage"), 900, periods=3)
        states = AlarmStates(declared, source, clock=clock)
        assert states.speaking() == set()
        made.sqs.send_message(QueueUrl=url, MessageBody="young")
        clock.ahead = timedelta(minutes=16)
        told = []
        for _ in range(3):
            told.append(states.speaking())
            clock.ahead += timedelta(minutes=1)
        assert told == [set(), set(), {"it"}], "only when it was so for three minutes"
        (message,) = made.sqs.receive_message(QueueUrl=url)["Messages"]
        made.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        clock.ahead += timedelta(minutes=1)
        assert states.speaking() == set()

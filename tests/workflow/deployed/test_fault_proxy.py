"""The fault proxy: each fault as a deployed function meets it through boto3's own retries."""

import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from timeit import default_timer

import boto3
import botocore
import pytest

from instep.local.fault_proxy import FaultProxy
from instep.local.faults import Delay, Drop, Hold, Kill, LetRival, Moment, Refuse, calls
from instep.local.target import Target
from tests.support.cloud import HandMadeFunction

SOURCE = """
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

def handle(event, context):
    config = Config(retries={"total_max_attempts": event.get("tries", 1), "mode": "standard"})
    s3 = boto3.client("s3", config=config)
    sqs = boto3.client("sqs", config=config)
    if event["call"] == "depth":
        depth = sqs.get_queue_attributes(QueueUrl=event["queue"], AttributeNames=["All"])
        return depth["Attributes"]
    body = b"x" * event.get("size", 1)
    try:
        s3.put_object(Bucket="faults", Key=event["key"], Body=body, IfNoneMatch="*")
    except ClientError as error:
        return error.response["Error"]["Code"]
    return s3.get_object(Bucket="faults", Key=event["key"])["Body"].read().decode()[:3]
"""


@pytest.fixture(scope="module")
def writer(target: Target) -> Iterator[HandMadeFunction]:
    target.client("s3").create_bucket(Bucket="faults")
    packages = str(Path(boto3.__file__).parents[1])
    assert Path(botocore.__file__).parents[1] == Path(packages)
    yield HandMadeFunction.deploy(target, "writer", SOURCE, layers=packages)
    target.client("lambda").delete_function(FunctionName="writer")


PUT = calls("PutObject", function="writer")


def stored(target: Target, key: str) -> bool:
    found = target.client("s3").list_objects_v2(Bucket="faults", Prefix=key)
    return bool(found["KeyCount"])


def test_without_a_rule_calls_pass_whole(writer: HandMadeFunction) -> None:
    assert writer.call(call="put", key="plain").payload == "x"
    assert writer.call(call="put", key="big", size=3_000_000).payload == "xxx"  # Expect: 100


def test_an_answer_names_the_error_asked_for(
    writer: HandMadeFunction, proxy: FaultProxy, target: Target
) -> None:
    with proxy.failing(PUT, Refuse(409, "ConditionalRequestConflict"), times=1) as rule:
        assert writer.call(call="put", key="c").payload == "ConditionalRequestConflict"
    assert rule.hits == 1
    assert not stored(target, "c")
    with proxy.failing(PUT, Refuse(), times=2) as rule:
        assert writer.call(call="put", key="c", tries=3).payload == "x"  # beyond its retries
    assert rule.hits == 2


def test_a_queue_can_be_throttled(
    writer: HandMadeFunction, proxy: FaultProxy, target: Target
) -> None:
    queue = target.client("sqs").create_queue(QueueName="faults")["QueueUrl"]
    throttled = Refuse(400, "ThrottlingException")
    with proxy.failing(calls("GetQueueAttributes"), throttled) as rule:
        answer = writer.call(call="depth", queue=queue)
        assert "ThrottlingException" in answer.payload["errorMessage"]
    assert rule.hits == 1
    assert writer.call(call="depth", queue=queue).payload["ApproximateNumberOfMessages"] == "0"


def test_a_dropped_call_never_arrived(
    writer: HandMadeFunction, proxy: FaultProxy, target: Target
) -> None:
    with proxy.failing(PUT, Drop()):
        assert writer.call(call="put", key="dropped").error is not None
    assert not stored(target, "dropped")


def test_after_a_lost_answer_boto3_reports_a_loss_though_it_won(
    writer: HandMadeFunction, proxy: FaultProxy, target: Target
) -> None:
    """Why the engine reads HEAD after a 412: an earlier try of ours may have won."""
    with proxy.failing(PUT, Drop(Moment.AFTER)):
        answer = writer.call(call="put", key="lost", tries=2)
    assert answer.payload == "PreconditionFailed"
    assert stored(target, "lost")


def test_a_held_call_runs_into_the_functions_timeout(
    writer: HandMadeFunction, proxy: FaultProxy
) -> None:
    with proxy.failing(PUT, Hold()), writer.within(3):
        assert writer.call(call="put", key="held").error == "Sandbox.Timedout"


def test_a_delayed_call_arrives_late(writer: HandMadeFunction, proxy: FaultProxy) -> None:
    begun = default_timer()
    with proxy.failing(PUT, Delay(0.5)):
        assert writer.call(call="put", key="delayed").payload == "x"
    assert default_timer() - begun > 0.5


@pytest.mark.parametrize("moment", list(Moment))
def test_the_callers_death_is_a_crash_before_or_after_the_write(
    moment: Moment, writer: HandMadeFunction, proxy: FaultProxy, target: Target
) -> None:
    with proxy.failing(PUT, Kill(moment)):
        assert writer.call(call="put", key=f"killed-{moment.value}").error == "Runtime.ExitError"
    assert stored(target, f"killed-{moment.value}") is (moment is Moment.AFTER)


def test_a_rival_acts_exactly_before_the_call(
    writer: HandMadeFunction, proxy: FaultProxy, target: Target
) -> None:
    def rival() -> None:
        target.client("s3").put_object(Bucket="faults", Key="raced", Body=b"rival")

    with proxy.failing(PUT, LetRival(rival)):
        assert writer.call(call="put", key="raced").payload == "PreconditionFailed"


def test_calls_of_the_test_itself_are_no_functions(proxy: FaultProxy, target: Target) -> None:
    environ = {**target.environ, "AWS_ENDPOINT_URL": proxy.endpoint}
    with proxy.failing(calls(function="writer"), Refuse()) as rule:
        Target(environ, local=True).client("s3").list_buckets()
    assert rule.hits == 0


def test_a_call_arrives_though_the_cloud_closed_the_idle_connection_before_it() -> None:
    """Else a rule counts the call, and the caller's own retry is what the rule never strikes."""
    closed = threading.Event()
    with FaultProxy() as proxy, socket.create_server(("127.0.0.1", 0)) as cloud:
        proxy.upstream = f"http://127.0.0.1:{cloud.getsockname()[1]}"

        def answer_each_and_close() -> None:
            for _ in range(2):
                connection, _address = cloud.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                closed.set()

        threading.Thread(target=answer_each_and_close, daemon=True).start()
        caller = HTTPConnection(proxy.endpoint.removeprefix("http://"), timeout=10)
        for _ in range(2):
            caller.request("GET", "/bucket/key")
            assert caller.getresponse().read() == b"ok"
            assert closed.wait(10)
        caller.close()

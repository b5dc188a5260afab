"""What AWS does and MiniStack leaves out, put into its services: how long an execution may take,
where records go that an event source mapping gives up, and what CloudWatch is told of a stream.

Read against server.py's PATCHED_RELEASE. Each shows in
tests/workflow/deployed/test_alarms.py, whose alarms it sets off.
"""

import json
from contextvars import copy_context
from importlib import import_module
from threading import Timer
from typing import Any
from uuid import uuid4

from instep.clock import utc_now

_S3 = "arn:aws:s3:::"


def fill_gaps() -> None:
    """Do all of it, before the first request."""
    end_executions_in_time()
    tell_how_late_a_stream_is_read()
    keep_what_a_mapping_gives_up()


def end_executions_in_time() -> None:
    """End an execution as TIMED_OUT after its definition's TimeoutSeconds, which MiniStack does not
    read; and let what ended stay what it ended as, when a call that it left behind fails later.
    """
    machines: Any = import_module("ministack.services.stepfunctions")
    run, fail = machines._run_execution, machines._fail_execution

    def end(execution: dict[str, Any]) -> None:
        if execution["status"] == "RUNNING":
            execution |= {"status": "TIMED_OUT", "stopDate": machines.now_iso()}
            machines._add_event(execution, "ExecutionTimedOut", {})
            machines._emit_execution_status_event(execution)

    def run_in_time(arn: str) -> None:
        execution = machines._executions.get(arn)
        machine = machines._state_machines.get(execution["stateMachineArn"]) if execution else None
        seconds = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
        timer = Timer(seconds or 0, copy_context().run, (end, execution))
        timer.daemon = True
        if seconds is not None:
            timer.start()
        try:
            run(arn)
        finally:
            timer.cancel()

    def fail_what_runs(execution: dict[str, Any], *why: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, *why)

    machines._run_execution, machines._fail_execution = run_in_time, fail_what_runs


def tell_how_late_a_stream_is_read() -> None:
    """Tell CloudWatch the IteratorAge of each batch of a table's stream: how old its last record
    was, in milliseconds, as it was handed to the function.
    """
    functions: Any = import_module("ministack.services.lambda_svc")
    execute = functions._execute_function

    def execute_and_tell(function: Any, event: Any) -> Any:
        records = event.get("Records") if isinstance(event, dict) else None
        last = records[-1] if isinstance(records, list) and records else None
        if isinstance(last, dict) and last.get("eventSource") == "aws:dynamodb":
            made = float(last["dynamodb"]["ApproximateCreationDateTime"])
            age = 1_000 * (utc_now().timestamp() - made)
            name = (function.get("config") or function)["FunctionName"]
            _tell("IteratorAge", age, "Milliseconds", {"FunctionName": name})
        return execute(function, event)

    functions._execute_function = execute_and_tell


def keep_what_a_mapping_gives_up() -> None:
    """Write a batch of a stream that is given up into the bucket that is its destination, as Lambda
    does (developer guide, "Retain discarded records for a DynamoDB event source"), and count its
    records. MiniStack knows of queues and topics only.
    """
    functions: Any = import_module("ministack.services.lambda_svc")
    buckets: Any = import_module("ministack.services.s3")
    send = functions._send_ddb_stream_failure_record

    def keep(
        esm: dict[str, Any], function: Any, batch: Any, stream: str, result: Any, condition: str
    ) -> None:
        where = ((esm.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination", "")
        delivered = bool(where)
        if where.startswith(_S3):
            error, at = result.get("function_error") or "Unhandled", utc_now()
            told = {
                "requestContext": {"requestId": str(uuid4()), "condition": condition},
                "responseContext": {"statusCode": 200, "functionError": error},
                "version": "1.0",
                "timestamp": at.isoformat(),
                "DDBStreamBatchInfo": {"batchSize": len(batch), "streamArn": stream},
                "payload": json.dumps({"Records": batch}),
            }
            key = f"aws/lambda/{esm['UUID']}/shard/{at:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid4()}"
            status, *_ = buckets._put_object(
                where.removeprefix(_S3), key, json.dumps(told).encode(), {}
            )
            delivered = status == 200
        else:
            send(esm, function, batch, stream, result, condition)
        name = "OnFailureDestinationDeliveredEventCount" if delivered else "DroppedEventCount"
        _tell(name, len(batch), "Count", {"EventSourceMappingUUID": esm["UUID"]})

    functions._send_ddb_stream_failure_record = keep


def _tell(name: str, value: float, unit: str, dimensions: dict[str, str]) -> None:
    watch: Any = import_module("ministack.services.cloudwatch")
    watch.record_metric("AWS/Lambda", name, value, unit, dimensions)

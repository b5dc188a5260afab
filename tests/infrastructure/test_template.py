"""What CloudFormation is told: storage, ingest, functions, triggers, outputs; and its linter."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from instep.cdk.packages import Packages
from instep.flow.pace import HIDDEN
from instep.flow.runner import LAPSE
from instep.lambda_.inputs import Ended, read_input
from receipt_dynamo_stream.stream_filter import stream_filters
from tests.infrastructure.programs import run
from tests.infrastructure.synthesis import Synthesized, synthesize, unversioned


def lint(app: Synthesized) -> None:
    """Assert that cfn-lint finds nothing in the template."""
    # W3005: CDK writes a DependsOn beside each GetAtt of a role.
    options = ("--ignore-checks", "W3005", "--")
    linter = Path(sys.executable).with_name("cfn-lint")
    done = run(linter, *options, app.path, path=os.defpath)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cfn_lint_is_content(app: Synthesized) -> None:
    lint(app)


def test_the_same_input_gives_the_same_template(
    app: Synthesized, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = synthesize(packages, tmp_path_factory.mktemp("cdk.out"))
    assert again.path.read_bytes() == app.path.read_bytes()


def test_outputs_are_what_the_command_line_reads(app: Synthesized) -> None:
    assert set(app.template["Outputs"]) == {
        "DynamodbTableName",
        "ChromadbBucket",
        "StateMachineArn",
        "InboxQueueUrl",
        "DlqUrl",
        "FailuresBucket",
        "EventBusName",
        "LockTableName",
        "OperatorPolicyArn",
        "ReaderPolicyArn",
        "KeepVersions",
        "KeepDays",
        "AlarmTopicArn",
    }


def test_the_snapshots_bucket(app: Synthesized) -> None:
    bucket = app.one("AWS::S3::Bucket", "Snapshots")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["parked-batches"]["Prefix"] == "batches/"
    inbox = app.one("AWS::SQS::Queue", "Inbox")
    waits = inbox["MessageRetentionPeriod"] / 86400
    assert rules["parked-batches"]["ExpirationInDays"] > waits
    assert "NoncurrentVersionExpiration" in rules["overwritten"]


def test_queues_are_encrypted_and_the_dlq_outlives_the_inbox(app: Synthesized) -> None:
    """SQS counts a message's age from its first sending, also of one that it has given up on."""
    inbox, dlq = (app.one("AWS::SQS::Queue", name) for name in ("Inbox", "Dlq"))
    assert inbox["SqsManagedSseEnabled"] is dlq["SqsManagedSseEnabled"] is True
    assert dlq["MessageRetentionPeriod"] == 14 * 86400  # the longest there is
    assert inbox["MessageRetentionPeriod"] == 7 * 86400


@pytest.mark.domain("wrong-count")
def test_the_inbox_gives_up_on_nothing_that_waits(app: Synthesized) -> None:
    """SQS takes no larger count; what waits comes back once a minute at the most often."""
    inbox = app.one("AWS::SQS::Queue", "Inbox")
    assert inbox["RedrivePolicy"]["maxReceiveCount"] == 1000
    assert "FifoQueue" not in inbox


def test_what_a_dead_runner_took_is_back_when_its_follower_expects_it(app: Synthesized) -> None:
    inbox = app.one("AWS::SQS::Queue", "Inbox")
    assert inbox["VisibilityTimeout"] == HIDDEN.total_seconds() == 60
    assert inbox["ReceiveMessageWaitTimeSeconds"] >= 1  # a short poll asks few of SQS's servers


def test_a_lease_outlives_two_missed_heartbeats(app: Synthesized) -> None:
    for name in ("ApplyUpdates", "FoldSnapshot"):
        variables = app.one("AWS::Lambda::Function", name)["Environment"]["Variables"]
        beat = float(variables["HEARTBEAT_INTERVAL_SECONDS"])
        assert 60 * float(variables["LOCK_DURATION_MINUTES"]) >= 3 * beat
        assert LAPSE.total_seconds() >= 3 * beat  # and so does the runner's role


def test_whoever_knows_the_pace_is_told_the_same(
    app: Synthesized, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def told(one: Synthesized) -> set[str]:
        functions = one.resources("AWS::Lambda::Function").values()
        variables = [function["Environment"]["Variables"] for function in functions]
        return {each["ROUND_SECONDS"] for each in variables if "ROUND_SECONDS" in each}

    assert told(app) == {"10"}
    eager = synthesize(packages, tmp_path_factory.mktemp("cdk.out"), roundSeconds="0")
    assert told(eager) == {"0"}


def test_the_entity_table_streams_both_images(app: Synthesized) -> None:
    table = app.one("AWS::DynamoDB::Table", "Entities")
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["PK", "SK"]
    assert table["TimeToLiveSpecification"]["Enabled"] is True


@pytest.mark.domain("partial-failure")
def test_no_function_is_driven_by_a_queue(app: Synthesized) -> None:
    """Who drains settles message by message: there is no partial answer that Lambda could drop."""
    mapping = app.one("AWS::Lambda::EventSourceMapping")
    assert "StreamArn" in str(mapping["EventSourceArn"])


@pytest.mark.invariant(1)
def test_what_ingest_cannot_pass_is_kept_whole(app: Synthesized) -> None:
    """Records, not their positions: an SQS destination would lose them with the stream."""
    mapping = app.one("AWS::Lambda::EventSourceMapping")
    failures = next(name for name in app.resources("AWS::S3::Bucket") if "Failures" in name)
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {
        "Fn::GetAtt": [failures, "Arn"]
    }
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] == -1  # tries may be over in minutes: age ends them
    (rule,) = app.one("AWS::S3::Bucket", "Failures")["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 90
    assert app.template["Outputs"]["FailuresBucket"]["Value"] == {"Ref": failures}
    assert mapping["MaximumRecordAgeInSeconds"] < 24 * 3600  # the stream's own memory
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (1000, 1)
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert "FunctionResponseTypes" not in mapping  # the local cloud loses such records


def test_the_stream_is_filtered_by_the_parsers_own_patterns(app: Synthesized) -> None:
    filters = app.one("AWS::Lambda::EventSourceMapping")["FilterCriteria"]["Filters"]
    assert [json.loads(one["Pattern"]) for one in filters] == stream_filters()
    assert 1 <= len(filters) <= 5  # an event source mapping takes no more


def test_data_outlives_the_stack_unless_told_otherwise(
    app: Synthesized, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A first deployment that fails leaves nothing: a protected table would keep it from that."""
    kinds = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue")

    def policies(one: Synthesized) -> set[str]:
        found = one.template["Resources"].values()
        return {resource["DeletionPolicy"] for resource in found if resource["Type"] in kinds}

    def protected(one: Synthesized) -> bool:
        manifest = json.loads(one.path.with_name("manifest.json").read_text())
        found = manifest["artifacts"]["Instep"]["properties"].get("terminationProtection", False)
        assert isinstance(found, bool)
        return found

    assert policies(app) == {"RetainExceptOnCreate"}
    assert protected(app)
    assert not any(
        table.get("DeletionProtectionEnabled")
        for table in app.resources("AWS::DynamoDB::Table").values()
    )
    brief = synthesize(packages, tmp_path_factory.mktemp("cdk.out"), retainData="false")
    assert policies(brief) == {"Delete"}
    assert not protected(brief)
    assert len(brief.resources("Custom::S3AutoDeleteObjects")) == 2  # Failures and Snapshots
    assert brief.findings == ()
    lint(brief)


def test_every_function_is_traced_and_logs_for_a_stated_time(app: Synthesized) -> None:
    """But ingest, which runs once a second: each of its calls would be a trace that is billed."""
    ingest = next(name for name in app.resources("AWS::Lambda::Function") if "Ingest" in name)
    for name, function in app.resources("AWS::Lambda::Function").items():
        mode = "PassThrough" if name == ingest else "Active"
        assert function["TracingConfig"] == {"Mode": mode}, name
        group = app.resources("AWS::Logs::LogGroup")[function["LoggingConfig"]["LogGroup"]["Ref"]]
        assert group["RetentionInDays"] == 30, name
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])


@pytest.mark.domain("environment")
def test_a_function_gets_only_the_names_it_reads(app: Synthesized) -> None:
    acquire = app.one("AWS::Lambda::Function", "AcquireLock")["Environment"]["Variables"]
    assert {name for name in acquire if not name.startswith("POWERTOOLS")} == {
        "LOCK_TABLE_NAME",
        "LOCK_DURATION_MINUTES",
        "LOG_LEVEL",
        "MALLOC_ARENA_MAX",
        "STACK_NAME",
    }


def test_two_events_and_a_schedule_start_the_machine_with_nothing(app: Synthesized) -> None:
    rules = [
        rule for name, rule in app.resources("AWS::Events::Rule").items() if "RunEnded" not in name
    ]
    heard = {rule["EventPattern"]["detail-type"][0] for rule in rules}
    assert heard == {"Compaction Requested", "Stream Batch Queued"}
    assert all(rule["EventPattern"]["source"] == ["instep"] for rule in rules)
    assert all(rule["EventPattern"]["detail"] == {"stack": ["Instep"]} for rule in rules)
    parse = app.one("AWS::Lambda::Function", "ParseBatch")["Environment"]["Variables"]
    assert parse["STACK_NAME"] == "Instep"  # what it announces is heard by this stack alone
    assert all(rule["Targets"][0]["Input"] == "{}" for rule in rules)
    schedule = app.one("AWS::Scheduler::Schedule", "Backstop")
    assert schedule["ScheduleExpression"] == "rate(5 minutes)"
    assert schedule["Target"]["Input"] == "{}"


@pytest.mark.invariant(1)
def test_an_execution_that_ended_red_is_followed_once(app: Synthesized) -> None:
    """By one that is told its name; one that follows is followed by nobody."""
    (runner,) = (
        name
        for name, machine in app.resources("AWS::StepFunctions::StateMachine").items()
        if machine["StateMachineType"] == "STANDARD"
    )
    rule = app.one("AWS::Events::Rule", "RunEnded")
    assert "EventBusName" not in rule  # AWS tells of it on the default bus
    assert rule["EventPattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [{"Ref": runner}],
            "status": ["FAILED", "TIMED_OUT", "ABORTED"],
            "input": [{"anything-but": {"prefix": '{"Ended"'}}],
        },
    }
    (target,) = rule["Targets"]
    assert target["Arn"] == app.template["Outputs"]["StateMachineArn"]["Value"]
    told = target["InputTransformer"]
    assert told["InputPathsMap"] == {"detail-name": "$.detail.name"}
    given = json.loads(told["InputTemplate"].replace("<detail-name>", '"run-1"'))
    assert read_input(given, ["words"]) == Ended("run-1")
    assert told["InputTemplate"].startswith('{"Ended"')


def test_each_collection_is_swept_once_a_day_by_what_the_config_keeps(
    app: Synthesized, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> None:
    schedules = [
        one for name, one in app.resources("AWS::Scheduler::Schedule").items() if "Daily" in name
    ]
    assert {one["ScheduleExpression"] for one in schedules} == {"rate(1 day)"}
    given = [json.loads(one["Target"]["Input"]) for one in schedules]
    assert given == [{"collection": "lines"}, {"collection": "words"}]
    frugal = synthesize(packages, tmp_path_factory.mktemp("cdk.out"), keepVersions=3, keepDays="2")
    variables = frugal.one("AWS::Lambda::Function", "SweepVersions")["Environment"]["Variables"]
    outputs = frugal.template["Outputs"]
    assert (variables["KEEP_VERSIONS"], variables["KEEP_DAYS"]) == ("3", "2")
    assert (outputs["KeepVersions"]["Value"], outputs["KeepDays"]["Value"]) == ("3", "2")


def test_what_a_sweep_deletes_is_gone_from_s3_in_the_end(app: Synthesized) -> None:
    """The bucket is versioned: until then a delete can be undone."""
    bucket = app.one("AWS::S3::Bucket", "Snapshots")
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["overwritten"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rules["overwritten"]["ExpiredObjectDeleteMarker"] is True


@pytest.mark.domain("your-table")
def test_an_existing_table_is_used_and_none_created(
    packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stream = "arn:aws:dynamodb:us-east-1:123456789012:table/Receipts/stream/2026"
    app = synthesize(
        packages,
        tmp_path_factory.mktemp("cdk.out"),
        entityTableName="Receipts",
        entityTableStreamArn=stream,
    )
    assert [name for name in app.resources("AWS::DynamoDB::Table") if "Entities" in name] == []
    assert app.one("AWS::Lambda::EventSourceMapping")["EventSourceArn"] == stream
    assert app.template["Outputs"]["DynamodbTableName"]["Value"] == "Receipts"
    settle = app.one("AWS::Lambda::Function", "SettleBatch")["Environment"]["Variables"]
    assert settle["DYNAMODB_TABLE_NAME"] == "Receipts"


def without_code(app: Synthesized) -> dict[str, Any]:
    """Return the resources less what a function is made of, runtime, code and layers, and with
    what a rollout names by its version or alias named itself.
    """
    resources = unversioned(app)
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if name.startswith("Watching"):
            resource.pop("Condition", None)  # in the template, not on the local cloud
        if resource["Type"] == "AWS::Lambda::Function":
            del properties["Runtime"], properties["Code"]
            properties.pop("Layers", None)
            properties["Environment"]["Variables"].pop("INSTEP_LAYERS", None)
    layers = "AWS::Lambda::LayerVersion"
    return {
        name: one
        for name, one in resources.items()
        if one["Type"] != layers and not name.startswith("Probe")
    }


def not_deployed(app: Synthesized) -> set[str]:
    """What stands under a condition; the only one there is is false everywhere."""
    conditions = app.template.get("Conditions", {})
    never = {
        name
        for name, one in conditions.items()
        if one == {"Fn::Equals": [{"Ref": "AWS::AccountId"}, "an account of AWS"]}
    }
    resources = app.template["Resources"].items()
    return {name for name, resource in resources if resource.get("Condition") in never}


def test_the_local_switch_changes_runtime_layers_and_rollout_only(
    app: Synthesized, local: Synthesized
) -> None:
    assert without_code(local) == without_code(app)
    assert not_deployed(local) == {
        name for name in local.template["Resources"] if name.startswith("Watching")
    }
    assert not_deployed(app) == set()
    assert len(app.resources("AWS::Lambda::LayerVersion")) == 2
    for function in local.resources("AWS::Lambda::Function").values():
        assert function["Runtime"] == "provided.al2023"
        assert function["Environment"]["Variables"]["INSTEP_LAYERS"].count("/python") == 2
    for function in app.resources("AWS::Lambda::Function").values():
        assert len(function["Layers"]) == 2

"""With every role, bucket and queue policy evaluated, the pipeline has what it needs, and no more;
and so have the people whose policies the stack makes.
"""

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from instep.app import DEFAULT_STACK
from instep.aws.objects import Objects
from instep.cli import sampling, session, watch
from instep.cli.app import app as command_line
from instep.cli.output import Exit
from instep.cli.smoke import through
from instep.cli.smoking import Lookalike
from instep.cli.standing import inbox_of
from instep.domain import Difference
from instep.flow.envelope import Rejection
from instep.snapshot.copy.reader import open_snapshot
from receipt_domain import DOMAIN
from tests.support import predecessor
from tests.support.deployed import DeployedApp
from tests.support.items import failed_batch, record
from tests.support.policed import Person, person, policed_app
from tests.support.receipts import Receipt
from tests.support.snapshots import adds, names

# Every command that works on a deployed stack, and the exit statuses that are an answer.
DONE, YES_OR_NO = {Exit.DONE}, {Exit.DONE, Exit.NO}
TYPED = {
    "run": DONE,
    "status": YES_OR_NO,
    "watch": {Exit.INTERRUPTED},
    "history words": DONE,
    "tag words {older} a-name": DONE,
    "tag words": DONE,
    "tag words --delete a-name": DONE,
    "diff words {older} {newest}": {Exit.NO},
    "query words --like {id}": DONE,
    "pull words {copy}": DONE,
    "verify --search": DONE,
    "wait --timeout 60": DONE,
    "sync --dry-run": DONE,
    "import words --on-head": DONE,
    "rollback words {older}": DONE,
    "sync words": DONE,
    "redrive --dry-run": DONE,
    "redrive": DONE,
    "redrive --from-failures": DONE,
    "sweep": DONE,
    "check examples/catalogue/instep.toml --sample 5": YES_OR_NO,
    "smoke": {Exit.REFUSED},  # of a receipt no item makes an embedding by itself: see `smoke`
    "smoke --key IMAGE#strict --key RECEIPT#00001": {Exit.REFUSED},
}
ON_AWS_ALONE = {"cloudwatch:DescribeAlarms"}  # no other cloud has the alarms
# Typed by somebody else, or on no stack: docs/operating.md, "Rights".
NOT_AN_OPERATORS = {
    *("init", "deploy", "destroy", "cost", "bench"),
    *("demo", "up", "down", "env"),
    "mcp",  # a reader's
}


@pytest.fixture(scope="module")
def strict(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedApp]:
    with policed_app(assembly, tmp_path_factory.mktemp("strict")) as app:
        yield app


@pytest.fixture(scope="module")
def ran(strict: DeployedApp) -> Receipt:
    """A receipt that was brought in, and a message that nobody can read."""
    app, receipt = strict, Receipt("strict")
    receipt.upload(app.target.client("s3"), app.deployment.chromadb_bucket)
    app.write(*receipt.items(), receipt.run(), receipt.label(1, "TOTAL", "VALID"))
    app.target.client("sqs").send_message(
        QueueUrl=app.deployment.inbox_queue_url, MessageBody="poison"
    )
    app.drained()
    assert len(app.rejected()) == 1
    return receipt


def test_a_whole_run_with_every_policy_evaluated(strict: DeployedApp, ran: Receipt) -> None:
    app, receipt = strict, ran
    for arn in app.executions():
        outcome = app.ended(arn).outcome
        assert outcome.succeeded, outcome
    words = app.embeddings("words", receipt.prefix)
    assert words[receipt.word_id(1)]["label_status"] == "validated"


def test_a_whole_table_with_every_policy_evaluated(strict: DeployedApp) -> None:
    outcome = strict.run({"Sync": {"segments": 2}}).outcome
    assert outcome.succeeded, outcome
    strict.drained()
    assert len(strict.rejected()) == 0


def test_the_daily_sweep_as_its_schedules_start_it(strict: DeployedApp) -> None:
    """All is young, so it deletes nothing: it lists and reads, and says so."""
    scheduler, functions = (strict.target.client(name) for name in ("scheduler", "lambda"))
    found = [
        scheduler.get_schedule(Name=listed["Name"], GroupName=listed["GroupName"])["Target"]
        for listed in scheduler.list_schedules()["Schedules"]
    ]
    daily = [one for one in found if one["Arn"] != strict.deployment.state_machine_arn]
    assert len(daily) == 2
    for one in daily:
        answer = functions.invoke(FunctionName=one["Arn"], Payload=one["Input"].encode())
        said = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, said
        assert said == {**json.loads(one["Input"]), "versions": 0, "packs": 0, "bytes": 0}


@pytest.mark.usefixtures("ran")
def test_a_reader_with_the_stacks_policy_opens_a_snapshot_and_may_do_nothing_else(
    strict: DeployedApp,
) -> None:
    bucket = strict.deployment.chromadb_bucket
    s3 = person(strict, "ReaderPolicyArn").client("s3")
    with open_snapshot(Objects(s3, bucket), "words") as snapshot:
        assert snapshot.collection.count() > 0
    refused: list[Callable[[], object]] = [
        lambda: s3.put_object(Bucket=bucket, Key="words/HEAD", Body=b"{}"),
        lambda: s3.delete_object(Bucket=bucket, Key="words/HEAD"),
        lambda: s3.get_object(Bucket=bucket, Key="batches/one"),
    ]
    strict.target.client("s3").put_object(Bucket=bucket, Key="batches/one", Body=b"{}")
    for call in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


@pytest.fixture(scope="module")
def operator(strict: DeployedApp) -> Person:
    """The cloud as it is to a user with the operators' policy."""
    return person(strict, "OperatorPolicyArn")


@pytest.fixture
def typed(operator: Person, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Result]:
    """Type a command as the operator; `watch` is interrupted after its first look."""
    for module in (session, sampling):
        monkeypatch.setattr(module, "find_target", lambda **_: operator)
    monkeypatch.setattr(watch, "Event", Interrupted)
    return lambda line: CliRunner().invoke(command_line, shlex.split(line))


class Interrupted:
    """The pause of somebody who presses Ctrl-C."""

    def wait(self, _: float) -> None:
        raise KeyboardInterrupt


def test_every_command_is_somebodys() -> None:
    operators = {line.split()[0] for line in TYPED}
    commands = {str(one.name) for one in command_line.registered_commands}
    assert not operators & NOT_AN_OPERATORS
    assert operators | NOT_AN_OPERATORS == commands


def test_an_operator_with_the_stacks_policy_types_every_command_and_needs_all_of_it(
    strict: DeployedApp,
    ran: Receipt,
    operator: Person,
    typed: Callable[[str], Result],
    tmp_path: Path,
) -> None:
    app, receipt = strict, ran
    operator.called.clear()
    set_aside(app, receipt, tmp_path / "theirs")
    with nobody_else(app):
        app.write(receipt.label(2, "DATE", "VALID"))
        assert "✓ Round" in typed("run").stdout
    versions = json.loads(typed("history words --json").stdout)["versions"]
    meant = {
        "older": versions[1]["version"],
        "newest": versions[0]["version"],
        "id": receipt.word_id(1),
        "copy": tmp_path / "copy",
    }
    for line, statuses in TYPED.items():
        done = typed(line.format_map(meant))
        assert done.exit_code in statuses, f"{line}: {done.exit_code}\n{done.output}"
        assert "AccessDenied" not in done.output, line
    smoke(receipt)
    app.drained()
    assert app.rejected() == []
    assert operator.called | ON_AWS_ALONE == operator.may


@contextmanager
def nobody_else(app: DeployedApp) -> Iterator[None]:
    """Let nothing run, and nothing start a run by itself."""
    app.switch_triggers(enabled=False)
    for arn in app.executions():
        app.ended(arn)
    try:
        yield
    finally:
        app.switch_triggers(enabled=True)


def set_aside(app: DeployedApp, receipt: Receipt, folder: Path) -> None:
    """Have a letter in the DLQ, a batch in the failures bucket, and a predecessor's snapshot."""
    everything = session.Session(app.target, app.deployment)
    inbox_of(everything).reject([Rejection(record(receipt.metadata()), "a reason", 5)], "run-1")
    s3 = app.target.client("s3")
    failures = Objects(s3, app.deployment.failures_bucket)
    failures.put("aws/lambda/mapping/shard/batch", failed_batch([record(receipt.metadata())]))
    theirs = predecessor.write_directory(folder, adds(names(2)))
    predecessor.upload(s3, theirs, bucket=app.deployment.chromadb_bucket)


def smoke(receipt: Receipt) -> None:
    """Do what the command does, with an item that is there: no receipt's makes an embedding alone,
    so that no copy of it could be seen to come.
    """
    item = receipt.paper.word(1, 4, text="word 4")
    key = DOMAIN.schema.of(item)
    word = Difference("words", receipt.word_id(4), None, "by the table", None, missing=True)
    done = through(
        session.open_session(aws=False, stack=DEFAULT_STACK),
        Lookalike(key, key, item, [word]),
        timeout=60,
    )
    assert None not in (done.came, done.went), done


def test_an_operator_may_do_nothing_else(strict: DeployedApp, operator: Person) -> None:
    deployment = strict.deployment
    clients: dict[str, Any] = {
        name: operator.client(name) for name in ("s3", "sqs", "lambda", "stepfunctions")
    }
    head = {"Bucket": deployment.chromadb_bucket, "Key": "words/HEAD"}
    machine = strict.machines["runner"]["States"]["Round"]["Parameters"]["StateMachineArn"]
    refused: list[Callable[[], object]] = [
        lambda: clients["s3"].delete_object(**head),
        lambda: clients["s3"].put_object(**head | {"Key": "batches/one"}, Body=b"{}"),
        lambda: clients["sqs"].purge_queue(QueueUrl=deployment.inbox_queue_url),
        lambda: clients["lambda"].update_function_code(
            FunctionName=strict.function("AcquireLock"), ZipFile=b"other code"
        ),
        lambda: clients["stepfunctions"].start_execution(stateMachineArn=machine, input="{}"),
    ]
    for call in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def test_policies_are_really_evaluated(strict: DeployedApp) -> None:
    """The proof of the other test: without its policy a function may do nothing."""
    app = strict
    iam, function = app.target.client("iam"), app.function("AcquireLock")
    role = app.target.client("lambda").get_function_configuration(FunctionName=function)["Role"]
    name = role.rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    iam.delete_role_policy(RoleName=name, PolicyName=policy)
    try:
        answer = app.target.client("lambda").invoke(
            FunctionName=function,
            Payload=b'{"collection": "words", "execution": "test", "request": "pass"}',
        )
        assert b"AccessDenied" in answer["Payload"].read()
    finally:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))

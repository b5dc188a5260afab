"""What keeps a deployment from working is said before it begins, with what to do about it."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from instep.cli.app import app as command_line
from instep.cli.output import Refused
from instep.cli.preflight import check_table, remark_on_stream, remarks_on
from instep.cli.session import find_target
from instep.local.target import Target
from tests.support.aws import ENVIRONMENT

BOTH = "NEW_AND_OLD_IMAGES"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield Target.aws()


def table(name: str, view: str | None, **more: Any) -> dict[str, Any]:
    """Make a table with a stream of this view type, and return the context that names it."""
    shown: Any = {"StreamViewType": view} if view else {}
    stream: Any = {"StreamEnabled": bool(view), **shown}
    made = boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=stream,
        **more,
    )["TableDescription"]
    return {"entityTableName": name, "entityTableStreamArn": made.get("LatestStreamArn", "none")}


def test_a_table_that_shows_both_images_is_followed(account: Target) -> None:
    check_table(account, table("good", BOTH))
    check_table(account, {})  # the app makes one
    assert remark_on_stream(account, "good") is None


@pytest.mark.parametrize("view", ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE"])
def test_a_stream_of_another_view_type_is_refused(account: Target, view: str) -> None:
    context = table("short", view)
    with pytest.raises(Refused, match=f"shows {view}.*StreamViewType={BOTH}"):
        check_table(account, context)
    assert view in (remark_on_stream(account, "short") or "")


def test_a_table_without_a_stream_is_told_the_command(account: Target) -> None:
    context = table("quiet", None)
    with pytest.raises(Refused, match="has no stream: `aws dynamodb update-table"):
        check_table(account, context)
    assert "shows nothing" in (remark_on_stream(account, "quiet") or "")


def test_a_table_that_is_not_there_and_a_stream_of_another_one(account: Target) -> None:
    context = table("one", BOTH)
    other = table("two", BOTH)["entityTableStreamArn"]
    with pytest.raises(Refused, match="no table three in us-east-1"):
        check_table(account, context | {"entityTableName": "three"})
    with pytest.raises(Refused, match=r"entityTableStreamArn=.*table/one/stream"):
        check_table(account, context | {"entityTableStreamArn": other})


def test_a_key_of_the_customers_must_be_named(account: Target) -> None:
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    encrypted = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    context = table("sealed", BOTH, SSESpecification=encrypted)
    with pytest.raises(Refused, match=f"entityTableKeyArn={key}"):
        check_table(account, context)
    check_table(account, context | {"entityTableKeyArn": key})


class Account:
    """An account's Lambda: how many calls at once, and who reads a stream."""

    def __init__(self, concurrency: int, readers: list[str]) -> None:
        self._concurrency, self._readers = concurrency, readers

    def client(self, service: str) -> Any:
        assert service == "lambda"
        arn = "arn:aws:lambda:us-east-1:123456789012:function:"
        page = {"EventSourceMappings": [{"FunctionArn": arn + name} for name in self._readers]}
        limit = {"AccountLimit": {"ConcurrentExecutions": self._concurrency}}
        pages = SimpleNamespace(paginate=lambda **_: [page])
        return SimpleNamespace(get_account_settings=lambda: limit, get_paginator=lambda _: pages)


def remarks(tmp_path: Path, concurrency: int, readers: list[str], memory: int) -> list[str]:
    function = {"Type": "AWS::Lambda::Function", "Properties": {"MemorySize": memory}}
    template = {"Resources": {"Fold": function}}
    (tmp_path / "Instep.template.json").write_text(json.dumps(template))
    context = {"name": "Instep", "entityTableStreamArn": "arn:the-stream"}
    target: Any = Account(concurrency, readers)
    return list(remarks_on(target, context, tmp_path))


def test_limits_that_may_be_met_are_remarked_on(tmp_path: Path) -> None:
    few, crowded, large = remarks(tmp_path, 10, ["search", "audit", "Instep-Ingest"], 10240)
    assert "runs 10 functions at once" in few
    assert "audit, search read this stream already" in crowded
    assert "Fold 10,240 MB" in large


def test_where_nothing_is_near_a_limit_nothing_is_said(tmp_path: Path) -> None:
    ours_again = ["search", "Instep-Ingest"]  # the second deployment finds its own
    assert remarks(tmp_path, 1000, ours_again, 1769) == []


@pytest.mark.parametrize(
    ("missing", "said"),
    [("AWS_DEFAULT_REGION", "AWS_REGION"), ("AWS_ACCESS_KEY_ID", "AWS_PROFILE")],
)
def test_an_account_that_is_not_said_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str, said: str
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in (missing, "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws(config={"core": {"mock_credentials": False}}), pytest.raises(Refused, match=said):
        find_target(aws=True)


def test_deploy_refuses_such_a_table_before_anything_is_synthesized(account: Target) -> None:
    assert account
    context = [f"-c{name}={value}" for name, value in table("short", "KEYS_ONLY").items()]
    result = CliRunner().invoke(command_line, ["deploy", "--aws", "--yes", *context])
    assert result.exit_code == 3
    assert "shows KEYS_ONLY" in result.stderr
    assert "Traceback" not in result.output

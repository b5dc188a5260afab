"""The knobs: what is accepted, and what a wrong value is told."""

import json
from typing import Any

import pytest

from instep.cdk.config import Config, ConfigRejected
from instep.cdk.packages import target_of
from tests.support.marks import ROOT

DEFAULTS: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]


def config(**context: object) -> Config:
    return Config.from_context((DEFAULTS | context).get)


def test_the_defaults_of_cdk_json_are_those_of_an_empty_context() -> None:
    empty: dict[str, Any] = {}
    assert config() == Config.from_context(empty.get)


def test_values_of_the_command_line_are_strings() -> None:
    read = config(localCloud="true", scheduleMinutes="15", deltaBuckets="a, b,", retainData="false")
    assert (read.local_cloud, read.schedule_minutes, read.retain_data) == (True, 15, False)
    assert read.delta_buckets == ("a", "b")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("storageMode", "disk"),
        ("architecture", "sparc"),
        ("scheduleMinutes", "often"),
        ("scheduleMinutes", "-1"),
        ("scheduleMinutes", 0),
        ("roundSeconds", "soon"),
        ("roundSeconds", -1),
        ("roundSeconds", 0.5),
        ("roundSeconds", True),
        ("roundSeconds", ""),
        ("keepVersions", 0.5),
        ("keepDays", "forever"),
        ("logRetentionDays", 2),
        ("localCloud", "maybe"),
        ("retainData", 1),
        ("fileSystem", "perhaps"),
        ("alarmEmail", "ops"),
        ("alarmEmail", "a@b.c d@e.f"),
        ("monthlyBudgetUsd", "much"),
        ("monthlyBudgetUsd", 0),
        ("foldMemory", 511),
        ("foldMemory", 10_241),
        ("foldStorage", 11),
        ("rollout", "boldly"),
        ("rolloutPercent", 0),
        ("rolloutPercent", 100),
        ("rolloutMinutes", 0),
        ("probeMinutes", -1),
        ("probeMinutes", 6),
        ("name", "my shop"),
        ("name", 7),
        ("deltaBuckets", "s3://embeddings"),
        ("deltaBuckets", ["embeddings/of-today"]),
        ("deltaBuckets", [7]),
        ("deltaBuckets", 7),
        ("encryptionKeyArn", "alias/mine"),
        ("encryptionKeyArn", "arn:aws:kms:us-east-1:123456789012:alias/mine"),
        ("entityTableKeyArn", "arn:aws:kms:us-east-1:123456789012:key/one"),  # of which table?
    ],
)
def test_a_wrong_value_is_named(key: str, value: object) -> None:
    with pytest.raises(ConfigRejected, match=key):
        config(**{key: value})


@pytest.mark.parametrize(("given", "read"), [(0, 0), ("0", 0), (30, 30), ("7", 7)])
def test_rounds_may_follow_each_other_at_once(given: object, read: int) -> None:
    """0 is a value like any other, not the default."""
    assert config(roundSeconds=given).round_seconds == read


def test_the_pace_is_ten_seconds_unless_told_otherwise() -> None:
    assert DEFAULTS["roundSeconds"] == config().round_seconds == 10


@pytest.mark.parametrize(
    ("mode", "given", "made"),
    [
        ("s3", None, False),
        ("s3", False, False),
        ("efs", None, True),
        ("efs", False, True),
        ("auto", None, False),
        ("auto", "true", True),
    ],
)
def test_a_file_system_is_made_for_the_modes_that_use_it(
    mode: str, given: object, made: bool
) -> None:
    assert config(storageMode=mode, fileSystem=given).file_system is made


def test_the_local_cloud_has_no_file_system_to_mount() -> None:
    local = config(storageMode="efs", localCloud="true")
    assert (local.storage_mode, local.file_system) == ("efs", False)


def test_a_file_system_that_nobody_would_use_is_refused() -> None:
    with pytest.raises(ConfigRejected, match="choose efs or auto"):
        config(storageMode="s3", fileSystem="true")


@pytest.mark.parametrize("given", ["entityTableName", "entityTableStreamArn"])
def test_an_existing_table_needs_its_stream(given: str) -> None:
    with pytest.raises(ConfigRejected, match="both"):
        config(**{given: "something"})


def test_packages_are_for_lambda_unless_the_cloud_is_local() -> None:
    assert target_of(config()).name == "aarch64-py313"
    assert target_of(config(architecture="x86_64")).name == "x86_64-py313"
    assert target_of(config(localCloud=True)).interpreter is not None

"""The construct in a stack of somebody's own, beside what else the stack makes."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk.assertions import Template

from instep.cdk import Instep
from instep.cdk.config import ConfigRejected
from instep.cdk.packages import Packages
from receipt_domain import DOMAIN
from tests.support.marks import ROOT

CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"] | {"localCloud": True}


def stack_of(tmp_path: Path, **context: Any) -> Stack:
    app = App(analytics_reporting=False, context=CONTEXT | context, outdir=str(tmp_path))
    return Stack(app, "Shop")


def instep_in(stack: Stack, id_: str, packages: Packages, **options: Any) -> Instep:
    return Instep(stack, id_, domain=DOMAIN, folders=packages, **options)


def test_the_outputs_have_their_names_whatever_the_construct_is_called(
    packages: Packages, tmp_path: Path
) -> None:
    stack = stack_of(tmp_path)
    instep_in(stack, "Search", packages)
    outputs = Template.from_stack(stack).to_json()["Outputs"]
    assert {"DynamodbTableName", "ChromadbBucket", "StateMachineArn", "DlqUrl"} <= outputs.keys()


def test_a_table_that_the_stack_makes_is_followed(packages: Packages, tmp_path: Path) -> None:
    stack = stack_of(tmp_path)
    products = dynamodb.Table(
        stack,
        "Products",
        partition_key=dynamodb.Attribute(name="PK", type=dynamodb.AttributeType.STRING),
        stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
    )
    made = instep_in(stack, "Search", packages, table=products)
    template = Template.from_stack(stack)
    tables = template.find_resources("AWS::DynamoDB::Table")
    assert len(tables) == 2  # theirs, and the lock table
    (mapping,) = template.find_resources("AWS::Lambda::EventSourceMapping").values()
    source = mapping["Properties"]["EventSourceArn"]
    assert source == stack.resolve(products.table_stream_arn)
    assert made.table is products


def test_a_misspelt_knob_is_refused(packages: Packages, tmp_path: Path) -> None:
    with pytest.raises(ConfigRejected, match="'keepVersion': did you mean keepVersions"):
        instep_in(stack_of(tmp_path, keepVersion=3), "Search", packages)


def test_a_second_one_in_a_stack_is_refused(packages: Packages, tmp_path: Path) -> None:
    stack = stack_of(tmp_path)
    instep_in(stack, "One", packages)
    instep_in(stack, "Two", packages)
    with pytest.raises(RuntimeError, match="AlarmTopicArn"):
        Template.from_stack(stack)

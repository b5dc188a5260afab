"""A stack that keeps nothing leaves nothing, whatever was written into it meanwhile."""

from collections.abc import Mapping

import pytest
from typer.testing import CliRunner, Result

from instep.cli.app import app as command_line
from instep.local.deploy import deploy
from instep.local.target import Target
from tests.support.deployed import DeployedApp
from tests.support.inventory import inventory

NAME = "Gone"


def destroy(environ: Mapping[str, str], *options: str) -> Result:
    return CliRunner().invoke(
        command_line, ["destroy", "--stack", NAME, *options], env=dict(environ)
    )


@pytest.fixture
def environ(target: Target) -> dict[str, str]:
    return {name: value for name, value in target.environ.items() if name.startswith("AWS_")}


def test_a_stack_that_keeps_nothing_leaves_nothing(
    target: Target, deployed: DeployedApp, environ: dict[str, str]
) -> None:
    assert deployed  # bootstrapped
    before = inventory(target)
    made = deploy(target, {"name": NAME, "retainData": "false"})
    s3 = target.client("s3")
    for body in (b"one", b"two"):  # the first stays behind as an older version
        s3.put_object(Bucket=made.chromadb_bucket, Key="words/HEAD", Body=body)
    s3.delete_object(Bucket=made.chromadb_bucket, Key="words/HEAD")

    there = inventory(target)
    said = destroy(environ, "--dry-run").stdout
    assert made.chromadb_bucket in said
    assert made.dynamodb_table_name in said
    assert "stays: CDKToolkit" in said
    unasked = destroy(environ)
    assert unasked.exit_code == 3
    assert "--yes" in unasked.stderr
    assert inventory(target) == there > before  # neither of the two touched anything

    done = destroy(environ, "--yes")
    assert done.exit_code == 0, done.output
    assert inventory(target) == before
    assert "nothing is left" in destroy(environ, "--yes").stderr

"""What a deployment and a destruction say beforehand is what they do; a stack that keeps nothing
leaves nothing, whatever was written into it meanwhile.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from instep.app import DEFAULT_STACK
from instep.cli.app import app as command_line
from instep.local.deploy import changes_of_rights, deploy
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


def test_what_a_deployment_would_change_in_rights_is_shown_before_it(
    target: Target, deployed: DeployedApp, assembly: Path, tmp_path: Path
) -> None:
    assert deployed
    changed = shutil.copytree(assembly, tmp_path / "cdk.out")
    path = changed / f"{DEFAULT_STACK}.template.json"
    path.write_text(path.read_text().replace('"states:StartSyncExecution"', '"states:DeleteAll"'))
    shown = changes_of_rights(target, changed, DEFAULT_STACK)
    assert "states:DeleteAll" in shown, shown
    assert "states:StartSyncExecution" in shown  # what goes, too

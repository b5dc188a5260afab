"""An app of one's own, as a newcomer makes it: written by `instep init`, deployed from its folder,
and a table that had items before taken in by `instep sync`.
"""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from instep.app import stack_name
from instep.cli.app import app as command_line
from instep.cli.filling import put_items
from instep.cli.session import Session
from instep.local.deploy import deploy
from instep.local.guard import ENDPOINT
from instep.local.target import Target
from instep.snapshot.copy.reader import open_snapshot
from tests.support.deployed import DeployedApp
from tests.support.inventory import inventory

PRODUCTS = {"SOCKS": ("Wool Socks", 9.5), "MUG": ("Enamel Mug", 12.0), "LAMP": ("Desk Lamp", 48.0)}


def product(key: str, name: str, price: float) -> dict[str, dict[str, object]]:
    return {
        "PK": {"S": f"PRODUCT#{key}"},
        "SK": {"S": "PRODUCT"},
        "name": {"S": name},
        "description": {"S": f"A {name.lower()}."},
        "price": {"N": str(price)},
        "stock": {"N": "3"},
    }


def test_a_new_app_takes_in_a_table_is_in_step_and_goes_but_for_its_data(
    target: Target, deployed: DeployedApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deployed  # bootstrapped
    folder = tmp_path / "shop"

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(command_line, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    run("init", str(folder))
    monkeypatch.chdir(folder)
    before = inventory(target)
    session = Session(target, deploy(target))
    for name, value in target.environ.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    assert target.environ[ENDPOINT].startswith("http://127.0.0.1")
    items = [product(key, *one) for key, one in PRODUCTS.items()]
    put_items(session.dynamodb, session.deployment.dynamodb_table_name, items)
    stack = ("--stack", stack_name())  # the default is that of the folder one started from
    assert "in step" in run("sync", *stack)
    assert "3 embeddings compared, in step" in run("verify", *stack)
    assert "in step" in run("wait", *stack)
    (name,) = session.domain.collections
    with open_snapshot(session.objects, name) as snapshot:
        found = snapshot.collection.query(query_texts=["something for the feet"], n_results=1)
        below: Any = {"price": {"$lt": 20}}
        cheap = snapshot.collection.get(where=below)
    assert found["ids"] == [["PRODUCT#SOCKS"]]
    assert set(cheap["ids"]) == {"PRODUCT#SOCKS", "PRODUCT#MUG"}
    said = run("destroy", "--yes", *stack)
    left = inventory(target) - before
    assert {kind for kind, _ in left} == {"Buckets", "TableNames", "QueueUrls"}
    assert len(left) == 6  # snapshots and failures, the items and the leases, inbox and DLQ
    for _, name in left:
        assert said.count(name) == 2  # it says that it stays, and how it is deleted

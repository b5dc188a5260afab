"""`instep smoke` where nothing runs: which item it copies, what it says, and that nothing is left.

That a copy comes and goes is in tests/workflow/deployed/test_examples.py.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from instep.binding import load_domain
from instep.cli.filling import in_dynamodb_json, read_items
from instep.cli.smoking import lookalike
from receipt_demo.items import items_of
from tests.support.aws import ENTITIES
from tests.support.marks import ROOT
from tests.unit.cli.conftest import RECEIPT, Cli

CATALOGUE = ROOT / "examples" / "catalogue"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An item of the catalogue, in whose folder the test is."""
    monkeypatch.chdir(CATALOGUE)
    made = map(in_dynamodb_json, read_items(CATALOGUE / "items.json"))
    return dict(next(item for item in made if lookalike(load_domain(), item, "1f", NOW)))


def table(cli: Cli) -> list[Any]:
    return list(cli.made.dynamodb.scan(TableName=ENTITIES)["Items"])


def test_a_copy_has_a_key_and_embeddings_of_its_own(product: dict[str, Any]) -> None:
    copy = lookalike(load_domain(), product, "1f", NOW)
    assert copy is not None
    pk = product["PK"]["S"]
    assert copy.key == (f"{pk}-smoke-1f", product["SK"]["S"])
    assert copy.ids == {"products": [f"{pk}-smoke-1f"]}
    keys = {"PK", "SK"}
    assert {name: copy.item[name] for name in product.keys() - keys} == {
        name: product[name] for name in product.keys() - keys
    }


def test_what_makes_no_embedding_is_not_copied(product: dict[str, Any]) -> None:
    sold_out = {**product, "state": {"S": "withdrawn"}}
    assert lookalike(load_domain(), sold_out, "1f", NOW) is None


def test_a_copy_that_nobody_takes_in_is_taken_out_and_said_with_exit_status_1(
    cli: Cli, product: dict[str, Any]
) -> None:
    cli.put(product)
    result = cli.run("smoke", "--yes", "--timeout", "1")
    assert result.exit_code == 1, result.output
    told = " ".join(result.stderr.split())
    assert f"{product['PK']['S']}-smoke-" in told
    assert "it was not seen in time" in told
    assert "products has no version yet" in told
    assert "within the last 15 minutes" in told
    assert table(cli) == [product]


def test_it_asks_before_it_writes_to_an_account(cli: Cli, product: dict[str, Any]) -> None:
    cli.put(product)
    result = cli.run("smoke", "--timeout", "1")
    assert result.exit_code == 3
    assert "--yes" in result.stderr
    assert table(cli) == [product]


def test_an_item_that_is_named_must_be_there_and_its_key_whole(
    cli: Cli, product: dict[str, Any]
) -> None:
    assert product
    nobody = cli.run("smoke", "--yes", "--key", "PRODUCT#0", "--key", "DETAILS")
    assert nobody.exit_code == 3
    assert "has no item PRODUCT#0/DETAILS" in nobody.stderr
    assert cli.run("smoke", "--yes", "--key", "PRODUCT#0").exit_code == 2


def test_where_vectors_come_from_elsewhere_it_refuses(cli: Cli) -> None:
    items = [json.loads(json.dumps(item)) for item in items_of(RECEIPT)]
    cli.put(*items)
    result = cli.run("smoke", "--yes")
    assert result.exit_code == 3, result.output
    assert "makes an embedding by itself" in result.stderr
    partition, sort = (items[0][name]["S"] for name in ("PK", "SK"))
    named = cli.run("smoke", "--yes", "--key", partition, "--key", sort)
    assert (named.exit_code, "makes no embedding by itself" in named.stderr) == (3, True)
    assert len(table(cli)) == len(items)

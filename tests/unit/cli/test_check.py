"""`check`: a mapping by itself, and on a sample of a table of which much is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from instep.cli.app import app
from tests.support.aws import ENTITIES
from tests.unit.cli.conftest import Cli

RULES = """\
[collections.products]
match = { PK = "PRODUCT#*" }
id = "{PK}"
document = "{name}"
embed = "local"

[collections.products.metadata]
price = "float"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "instep.toml"
    path.write_text(RULES)
    return path


def product(number: int, sort: str = "DETAILS", **more: Any) -> dict[str, Any]:
    key = {"PK": {"S": f"PRODUCT#{number}"}, "SK": {"S": sort}}
    return {**key, "name": {"S": f"Mug [{number}]"}, "price": {"N": "5"}, **more}


def test_a_mapping_alone(file: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 0, result.output
    assert "products" in result.stdout
    assert "leaves SK out" in " ".join(result.stderr.split())


def test_a_fault_is_the_answer_no(file: Path) -> None:
    file.write_text(RULES.replace("price", "instep_price"))
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 1
    assert "line 8: collections.products.metadata.instep_price" in " ".join(result.stderr.split())
    document = json.loads(CliRunner().invoke(app, ["check", str(file), "--json"]).stdout)
    assert (document["follows"], document["fault"]["line"]) == (False, 8)


@pytest.mark.parametrize("arguments", [["gone.toml"], ["--sample", "0"], ["--smaple", "1"]])
def test_a_wrong_call(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["check", *arguments]).exit_code == 2


def test_bytes_that_are_no_text(file: Path) -> None:
    file.write_bytes(b"# \n# \xff\n")
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 1
    assert "line 2: it is not UTF-8" in " ".join(result.stderr.split())


def test_a_sample_shows_what_is_taken_refused_and_shared(cli: Cli, file: Path) -> None:
    cli.put(product(1), product(2), product(2, "OTHER"), product(3, price={"S": "cheap"}))
    cli.put(product(4, price={"S": "dear"}), {"PK": {"S": "x"}, "SK": {"S": "y"}})
    found = cli.json("check", str(file), "--sample", "100")
    assert (found["follows"], found["sampled"]) == (False, 6)
    products = found["collections"]["products"]
    assert (products["matched"], products["made"], products["skipped"]) == (5, 3, 0)
    assert products["refused"] == {"price is a text, expected a number": 2}
    assert products["shared"] == {"PRODUCT#2": [["PRODUCT#2", "DETAILS"], ["PRODUCT#2", "OTHER"]]}
    result = cli.run("check", str(file), "--sample", "100")
    assert result.exit_code == 1
    assert "Mug [1]" in result.stdout
    assert "refused 2: price is a text" in result.stdout
    assert "shared PRODUCT#2: PRODUCT#2 / DETAILS, PRODUCT#2 / OTHER" in result.stdout


def test_a_sample_without_fault_and_no_larger_than_asked(cli: Cli, file: Path) -> None:
    cli.put(*(product(at) for at in range(40)))
    found = cli.json("check", str(file), "--sample", "25", "--table", ENTITIES)
    assert (found["follows"], found["sampled"], found["table"]) == (True, 25, ENTITIES)
    assert found["collections"]["products"]["made"] == 25
    assert cli.run("check", str(file), "--sample", "25").exit_code == 0


def test_what_has_expired_makes_no_embedding(cli: Cli, file: Path) -> None:
    cli.put(product(1), product(2, TimeToLive={"N": "1"}), product(3, TimeToLive={"S": "never"}))
    products = cli.json("check", str(file), "--sample", "9")["collections"]["products"]
    assert (products["matched"], products["made"], products["expired"]) == (3, 2, 1)


def test_a_table_without_items(cli: Cli, file: Path) -> None:
    assert cli.json("check", str(file), "--sample", "5")["sampled"] == 0


def test_a_table_with_another_key_is_said_so(cli: Cli, file: Path) -> None:
    file.write_text("[table]\npartition = 'sku'\n" + RULES.replace("PK", "sku"))
    result = cli.run("check", str(file), "--sample", "5")
    assert result.exit_code == 1
    said = " ".join(result.stderr.split())
    assert "is PK (text), SK (text), and of the mapping sku (text)" in said

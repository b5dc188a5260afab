"""`query` and `pull`: what they find in a snapshot, and what they refuse."""

from pathlib import Path
from typing import Any

import chromadb

import instep
from tests.unit.cli.conftest import Cli

MILK = {"text": "MILK", "merchant_name": "Corner [Pantry]", "valid_labels_array": ["PRODUCT_NAME"]}
BREAD = {"text": "BREAD", "merchant_name": "Corner Pantry"}


def test_hits_carry_their_fields_and_a_text_is_shown_once(cli: Cli) -> None:
    version = cli.publish("words", {"a": MILK, "b": MILK, "c": BREAD})
    found = cli.json("query", "words", "dairy")
    assert found["version"] == version
    assert {hit["text"]: hit["same"] for hit in found["hits"]} == {"MILK": 1, "BREAD": 0}
    shown = cli.run("query", "words", "dairy").stdout
    assert "PRODUCT_NAME" in shown
    assert "Corner [Pantry]" in shown


def test_a_filter_and_a_version(cli: Cli) -> None:
    first = cli.publish("words", {"a": MILK})
    cli.publish("words", {"a": MILK, "c": BREAD})
    where = '{"valid_labels_array": {"$contains": "PRODUCT_NAME"}}'
    texts = [hit["text"] for hit in cli.json("query", "words", "x", "--where", where)["hits"]]
    assert texts == ["MILK"]
    assert cli.json("query", "words", "x", "--at", first)["version"] == first


def test_what_cannot_be_asked_is_refused(cli: Cli) -> None:
    cli.publish("lines", {"a": {"text": "x"}}, width=8)
    cli.publish("words", {"a": MILK})
    for arguments, said in [
        (["lines", "x"], "8 floats"),
        (["words", "x", "--where", "{"], "not JSON"),
        (["words", "x", "--where", "[]"], "takes an object"),
        (["words", "x", "--where", '{"$nonsense": 1}'], "--where"),
        (["words", "x", "--at", "nonsense"], "nonsense"),
    ]:
        result = cli.run("query", *arguments)
        assert result.exit_code == 3, (arguments, result.output, result.exception)
        assert said in " ".join(result.stderr.split())


def test_query_before_the_first_version_is_a_sentence(cli: Cli) -> None:
    result = cli.run("query", "words", "dairy")
    assert result.exit_code == 3
    assert "words" in result.stderr
    assert "Traceback" not in result.output


def test_a_pulled_copy_is_a_snapshots_location_and_opens_with_plain_chromadb(
    cli: Cli, tmp_path: Path
) -> None:
    version = cli.publish("words", {"a": MILK, "c": BREAD})
    copy = tmp_path / "copy"
    result = cli.run("pull", "words", str(copy))
    assert result.exit_code == 0, result.output
    assert f'instep.open_snapshot("{copy}", "words")' in result.stdout
    with instep.open_snapshot(copy, "words") as snapshot:
        assert snapshot.version == version
    client: Any = chromadb.PersistentClient(str(copy))
    try:
        assert sorted(client.get_collection("words").get()["ids"]) == ["a", "c"]
    finally:
        client.close()


def test_pull_does_not_write_over_what_is_there(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    result = cli.run("pull", "words", str(tmp_path))
    assert result.exit_code == 3
    assert (tmp_path / "mine").read_text() == "precious"

"""`query` and `pull`: what they find in a snapshot, and what they refuse."""

from pathlib import Path
from typing import Any

import chromadb
import pytest

import instep
from instep.cli.output import Refused
from instep.cli.query import read_vector
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
    for arguments, status, said in [
        (["lines", "x"], 3, "8 floats"),
        (["words", "x", "--where", "{"], 2, "not JSON"),
        (["words", "x", "--where", "[]"], 2, "takes an object"),
        (["words", "x", "--where", '{"$nonsense": 1}'], 3, "--where"),
        (["words", "x", "--at", "nonsense"], 3, "nonsense"),
        (["words", ""], 2, "nothing to look for"),
        (["words"], 2, "give one of TEXT, --like ID and --vector FILE"),
        (["words", "x", "--like", "a"], 2, "give one of TEXT"),
        (["words", "--like", "nobody"], 3, "no embedding 'nobody'"),
    ]:
        result = cli.run("query", *arguments)
        assert result.exit_code == status, (arguments, result.output, result.exception)
        assert said in " ".join(result.stderr.split())


def test_an_embedding_or_a_vector_finds_what_is_near_without_a_model(
    cli: Cli, tmp_path: Path
) -> None:
    """Of another width than the local model's, which therefore cannot have been asked."""
    cli.publish("words", {"a": MILK, "b": BREAD}, width=8)
    near = cli.json("query", "words", "--like", "b")["hits"]
    assert {hit["id"]: hit["similarity"] for hit in near} == {"a": 1.0, "b": 1.0}
    vector = tmp_path / "vector.json"
    vector.write_text("[-1, 0, 0, 0, 0, 0, 0, 0]")
    far = cli.json("query", "words", "--vector", str(vector), "-n", "1")["hits"]
    assert [hit["similarity"] for hit in far] == [-1.0]


@pytest.mark.parametrize("text", ["[1, NaN]", "[]", '["a"]', "[true]", "{}", "1", "[1"])
def test_a_file_that_holds_no_vector_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "vector.json"
    file.write_text(text)
    with pytest.raises(Refused, match=r"vector\.json is"):
        read_vector(file)


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


def test_json_says_what_was_pulled(cli: Cli, tmp_path: Path) -> None:
    version = cli.publish("words", {"a": MILK})
    told = cli.json("pull", "words", str(tmp_path / "copy"))
    directory = str(tmp_path / "copy")
    assert told == {"collection": "words", "version": version, "directory": directory}

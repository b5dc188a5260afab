"""`import` as an operator uses it, over snapshots that plain chromadb wrote."""

from pathlib import Path
from typing import Any

import pytest

from instep.chroma.collection import opened
from tests.support.aws import DELTAS
from tests.support.predecessor import ID, POINTER, put, upload, write_directory
from tests.support.snapshots import adds, names
from tests.unit.cli.conftest import Cli


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    return write_directory(tmp_path / "theirs", adds(names(5)))


@pytest.mark.domain("predecessors-snapshots")
def test_the_pointer_s_snapshot_becomes_the_first_version(cli: Cli, theirs: Path) -> None:
    upload(cli.made.s3, theirs)
    result = cli.run("import", "words", "--yes")
    assert result.exit_code == 0, result.output
    assert "5 embeddings" in result.stdout
    assert "the index was built anew; its md5 was right" in " ".join(result.stdout.split())
    (version,) = cli.json("history", "words")["versions"]
    assert (version["state"], version["changed"]["imported"]) == ("head", ID)
    again = cli.run("import", "words", "--yes")
    assert again.exit_code == 3
    assert "--on-head" in again.stderr
    trusting = cli.json("import", "words", "--on-head", "--trust-index", "--yes")
    assert (trusting["embeddings"], trusting["index_kept"]) == (5, True)
    assert len(cli.json("history", "words")["versions"]) == 2


@pytest.mark.parametrize("trust", [[], ["--trust-index"]], ids=["rebuilt", "trusted"])
def test_imported_words_are_found_by_their_receipt(
    cli: Cli, tmp_path: Path, trust: list[str]
) -> None:
    ids = [f"IMAGE#a#RECEIPT#00001#LINE#00002#WORD#0000{number}" for number in (3, 4)]

    def add(collection: Any) -> None:
        metadatas = [{"image_id": "a", "receipt_id": "1"}, {"merchant_name": "Old Shop"}]
        collection.add(ids=ids, embeddings=[[1.0, 0.0], [0.0, 1.0]], metadatas=metadatas)

    upload(cli.made.s3, write_directory(tmp_path / "theirs", add))
    assert cli.run("import", "words", *trust, "--yes").exit_code == 0
    pulled = tmp_path / "pulled"
    assert cli.run("pull", "words", str(pulled)).exit_code == 0
    with opened(pulled, "words") as words:
        of_the_receipt: Any = {"$and": [{"image_id": "a"}, {"receipt_id": 1}]}
        assert words.get(where=of_the_receipt)["ids"] == ids


def test_one_of_another_bucket_by_its_id(cli: Cli, theirs: Path) -> None:
    upload(cli.made.s3, theirs, form="loose", bucket=DELTAS)
    put(cli.made.s3, POINTER, b"nothing that counts", bucket=DELTAS)
    done = cli.json("import", "words", "--from", f"s3://{DELTAS}", "--id", ID, "--yes")
    assert (done["id"], done["hash_checked"]) == (ID, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "latest-pointer.txt does not exist"),
        (["--id", "latest"], "no id of a snapshot"),
        (["--id", "20250101_000000"], "nothing lies there"),
        (["--from", "bucket"], "--from takes s3://BUCKET"),
    ],
)
def test_what_is_not_there_is_a_sentence(cli: Cli, arguments: list[str], said: str) -> None:
    result = cli.run("import", "words", *arguments, "--yes")
    assert result.exit_code == 3
    assert said in " ".join(result.stderr.split())

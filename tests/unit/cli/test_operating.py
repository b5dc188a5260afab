"""`history`, `rollback` and `sweep`: what an operator reads and does, over snapshots on moto."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.cli import output
from instep.cli.history import Version, what_changed
from instep.errors import StorageUnavailable
from instep.snapshot.copy.store import SnapshotStore
from tests.support.aws import BUCKET
from tests.unit.cli.conftest import Cli

MILK = {"text": "MILK", "merchant_name": "Corner Pantry"}
BREAD = {"text": "BREAD", "merchant_name": "Corner Pantry"}
NOBODY = "20200101T000000.000000Z-00000000"


def store_of(cli: Cli) -> SnapshotStore:
    return SnapshotStore(Objects(cli.made.s3, BUCKET), "words")


def texts(cli: Cli) -> set[str]:
    return {hit["text"] for hit in cli.json("query", "words", "dairy")["hits"]}


@pytest.fixture
def versions(cli: Cli) -> list[str]:
    """Two versions: with milk, then with bread instead."""
    return [cli.publish("words", {"a": MILK}), cli.publish("words", {"b": BREAD, "c": BREAD})]


def test_history_is_newest_first_with_the_head_marked(cli: Cli, versions: list[str]) -> None:
    told = cli.json("history", "words")["versions"]
    assert [one["version"] for one in told] == versions[::-1]
    assert [one["state"] for one in told] == ["head", "published"]
    assert [one["embeddings"] for one in told] == [2, 1]
    assert told[0]["parent"] == versions[0]
    assert all(0 < one["bytes"] < one["snapshot_bytes"] for one in told)
    shown = cli.run("history", "words").stdout
    assert shown.index(versions[1]) < shown.index(versions[0])
    assert shown.count("HEAD") == 1


def test_history_before_the_first_version(cli: Cli) -> None:
    assert "no version yet" in cli.run("history", "words").stdout
    assert cli.json("history", "words")["versions"] == []


def test_history_tells_what_cannot_be_read_and_shows_the_rest(
    cli: Cli, versions: list[str]
) -> None:
    cli.made.s3.put_object(
        Bucket=BUCKET, Key=store_of(cli).manifest_key(versions[0]), Body=b"{broken"
    )
    told = cli.json("history", "words")["versions"]
    assert [one["state"] for one in told] == ["head", "unreadable"]
    assert "not JSON" in told[1]["problem"]


@pytest.mark.parametrize(
    ("note", "folded", "said"),
    [
        ({"labels_updated": 3, "embedded": 0, "deleted": 1200}, False, "3 labels updated, 1,200"),
        ({"vectors_merged": 20}, True, "20 vectors merged"),
        ({}, True, "folded"),
        ({"rollback_to": NOBODY}, False, f"back to {NOBODY}"),
        ({"imported": "20251001_120000"}, True, "imported 20251001_120000"),
    ],
)
def test_what_a_version_changed(note: dict[str, object], folded: bool, said: str) -> None:
    version = Version(NOBODY, "published", None, changed=note, folded=folded)  # type: ignore[arg-type]
    assert said in what_changed(version)


def test_rollback_brings_the_content_back_and_says_what_is_missing_then(
    cli: Cli, versions: list[str]
) -> None:
    result = cli.run("rollback", "words", versions[0], "--yes")
    assert result.exit_code == 0, result.output
    assert "instep verify words" in result.stdout
    assert f"instep rollback words {versions[1]}" in " ".join(result.stdout.split())
    assert texts(cli) == {"MILK"}
    told = cli.json("history", "words")["versions"]
    assert [one["state"] for one in told] == ["head", "published", "published"]
    assert told[0]["changed"] == {"rollback_to": versions[0]}
    assert "@" in told[0]["writer"]
    assert told[0]["bytes"] == 0
    undone = cli.json("rollback", "words", versions[1], "--yes")
    assert undone["replaced"] == told[0]["version"]
    assert texts(cli) == {"BREAD"}


def test_what_cannot_be_gone_back_to_is_a_sentence(cli: Cli, versions: list[str]) -> None:
    for version, said in [
        (versions[1], "the head already"),
        (NOBODY, "no such version"),
        ("../HEAD", "no version's id"),
    ]:
        result = cli.run("rollback", "words", version, "--yes")
        assert result.exit_code == 3, result.output
        told = " ".join(result.stderr.split())
        assert said in told
        assert "instep history words" in told
    assert cli.run("rollback", "lines", versions[0], "--yes").exit_code == 3


def test_a_dry_sweep_deletes_nothing_and_a_sweep_what_it_said(
    cli: Cli, versions: list[str]
) -> None:
    """The deployment keeps one version, and every head of the last seven days."""
    assert cli.json("sweep", "words", "--dry-run")["collections"][0]["versions"] == []
    cli.made.age_objects(timedelta(days=8))
    said = cli.json("sweep", "words", "--dry-run")
    assert said["dry_run"] is True
    assert said["collections"][0]["versions"] == [versions[0]]
    assert len(cli.json("history", "words")["versions"]) == 2
    result = cli.run("sweep", "--yes")
    assert result.exit_code == 0, result.output
    assert "words: deleted 1 version and" in result.stdout
    assert "lines: deleted 0 versions" in result.stdout
    assert [one["version"] for one in cli.json("history", "words")["versions"]] == [versions[1]]
    assert texts(cli) == {"BREAD"}
    gone = cli.run("rollback", "words", versions[0], "--yes")
    assert gone.exit_code == 3
    assert "was swept" in gone.stderr


def test_a_tag_is_a_version_wherever_one_is_taken_and_no_sweep_takes_it(
    cli: Cli, versions: list[str]
) -> None:
    result = cli.run("tag", "words", versions[0], "milk-only")
    assert result.exit_code == 0, result.output
    (told,) = cli.json("tag", "words")["tags"]
    assert (told["name"], told["version"]) == ("milk-only", versions[0])
    assert cli.json("history", "words", "--at", "milk-only")["versions"][0]["tags"] == ["milk-only"]
    assert "milk-only" in cli.run("history", "words").stdout
    cli.made.age_objects(timedelta(days=30))
    assert cli.json("sweep", "words", "--yes")["collections"][0]["versions"] == []
    hits = cli.json("query", "words", "dairy", "--at", "milk-only")["hits"]
    assert {hit["text"] for hit in hits} == {"MILK"}
    assert cli.json("rollback", "words", "milk-only", "--yes")["to"] == versions[0]
    assert texts(cli) == {"MILK"}
    assert cli.run("tag", "words", "--delete", "milk-only").exit_code == 0
    assert "no tags" in cli.run("tag", "words").stdout
    gone = cli.run("query", "words", "dairy", "--at", "milk-only")
    assert gone.exit_code == 3
    assert "no such tag" in gone.stderr


def test_diff_tells_what_differs_and_says_yes_and_no_by_its_exit_status(
    cli: Cli, versions: list[str]
) -> None:
    same = cli.run("diff", "words", versions[0], versions[0])
    assert (same.exit_code, same.stdout.strip()) == (0, "0 added, 0 removed, 0 changed")
    result = cli.run("diff", "words", *versions)
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["removed", "a"],
        ["added", "b"],
        ["added", "c"],
    ]
    told = cli.json("diff", "words", *versions)
    assert (told["added"], told["removed"], told["changed"]) == (2, 1, 0)
    assert [one["id"] for one in told["changes"]] == ["a", "b", "c"]
    assert cli.run("diff", "words", versions[0], "nobody-s").exit_code == 3


def test_a_time_is_a_version_wherever_one_is_taken(cli: Cli, versions: list[str]) -> None:
    then = datetime.fromisoformat(versions[0][:22] + "+00:00").isoformat()
    told = cli.json("query", "words", "dairy", "--at", then)
    assert told["version"] == versions[0]
    assert [one["version"] for one in cli.json("history", "words", "--at", then)["versions"]] == [
        versions[0]
    ]
    early = cli.run("rollback", "words", "2020-01-01", "--yes")
    assert early.exit_code == 3
    assert "swept, or nothing" in early.stderr


def test_a_tag_needs_a_version_and_a_name(cli: Cli, versions: list[str]) -> None:
    assert cli.run("tag", "words", versions[0]).exit_code == 2
    assert cli.run("tag", "words", versions[0], "a", "--delete", "b").exit_code == 2


def test_a_sweep_in_doubt_is_a_sentence(cli: Cli, versions: list[str]) -> None:
    assert versions
    store = store_of(cli)
    store.objects.delete([store.head_key])
    cli.made.age_objects(timedelta(days=30))
    cli.publish("lines", {"a": {"text": "milk"}})
    result = cli.run("sweep", "--yes")
    assert result.exit_code == 3
    assert "HEAD is missing" in result.stderr
    assert len(list(store.versions())) == 2
    assert "lines: deleted 0 versions" in result.stdout


def test_a_sweep_that_s3_ends_half_way_says_what_it_has_swept(
    cli: Cli, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert versions
    cli.publish("lines", {"a": {"text": "milk"}})
    listing = SnapshotStore.versions

    def failing(store: SnapshotStore) -> Any:
        if store.collection == "words":
            raise StorageUnavailable("S3 does not answer")
        return listing(store)

    monkeypatch.setattr(SnapshotStore, "versions", failing)
    result = cli.run("sweep", "--yes")
    assert result.exit_code == 3
    assert "lines: deleted 0 versions" in result.stdout
    assert "S3 does not answer" in result.stderr


CHANGING = [["rollback", "words", NOBODY], ["sweep"], ["import", "words"]]


@pytest.mark.parametrize("command", CHANGING, ids=" ".join)
def test_what_changes_an_account_is_not_done_where_nobody_says_yes(
    command: list[str], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = cli.run(*command)
    assert refused.exit_code == 3
    assert "give --yes" in refused.stderr
    monkeypatch.setattr(output, "_somebody_is_there", lambda: True)
    declined = cli.run(*command, given="n\n")
    assert declined.exit_code == 1
    assert "nothing was done" in declined.stderr
    assert cli.run(*command, given="").exit_code == 130  # Ctrl-C, or Ctrl-D


def test_who_says_yes_at_the_question_goes_on(
    cli: Cli, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_somebody_is_there", lambda: True)
    assert cli.run("rollback", "words", versions[0], given="y\n").exit_code == 0
    assert texts(cli) == {"MILK"}

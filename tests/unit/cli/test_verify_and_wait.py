"""`verify` finds each kind of drift, `wait` says what has not arrived; all of it on moto."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.clock import utc_now
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format import document
from receipt_demo.items import items_of, label, metadata, run
from receipt_domain.oracle import LABEL_FIELDS, MIRRORED
from tests.support.aws import BUCKET
from tests.unit.cli.conftest import RECEIPT, WORD, WORD_ID, Cli


def test_in_step_is_status_0_with_the_count(cli: Cli, heads: dict[str, Any]) -> None:
    result = cli.run("verify")
    assert result.exit_code == 0, result.output
    assert f"words: {len(heads['words'])} embeddings compared, in step" in result.stdout


def test_nothing_published_is_in_step_with_an_empty_table(cli: Cli) -> None:
    found = cli.json("verify")
    assert found["in_step"] is True
    assert found["versions"] == {"lines": None, "words": None}


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ({"merchant_name": "Somebody Else"}, "merchant_name"),
        ({"address": None}, "address"),
        ({"label_status": "validated"}, "label_status"),
        ({"valid_labels_array": ["TOTAL"]}, "valid_labels_array"),
        ({"label_proposed_by": None}, "label_proposed_by"),
    ],
)
def test_a_field_that_differs_is_listed(
    cli: Cli, heads: dict[str, Any], edit: dict[str, Any], field: str
) -> None:
    edited = {**heads["words"][WORD_ID], **edit}
    heads["words"][WORD_ID] = {key: value for key, value in edited.items() if value is not None}
    cli.publish("words", heads["words"])
    result = cli.run("verify", "words", "--json")
    assert result.exit_code == 1
    assert [(d["id"], d["field"]) for d in _differences(result.stdout)] == [(WORD_ID, field)]


def test_an_embedding_without_its_item_is_listed(cli: Cli, heads: dict[str, Any]) -> None:
    cli.publish("words", heads["words"] | {f"{WORD_ID}9": {"text": "ghost"}})
    result = cli.run("verify")
    assert result.exit_code == 1
    assert "should not be there" in result.stdout
    assert "lines:" in result.stdout
    assert cli.run("verify", "lines").exit_code == 0


def test_every_pack_of_the_head_is_held_against_its_hash(cli: Cli, heads: dict[str, Any]) -> None:
    store = SnapshotStore(Objects(cli.made.s3, BUCKET), "words")
    packs = store.manifest(str(cli.json("verify")["versions"]["words"])).packs()
    told = cli.json("verify", "words")
    assert told["checked"]["words"]["packs"] == len(packs)
    for pack in packs:
        body = bytearray(store.objects.get(store.pack_key(pack)).body)
        cli.made.s3.put_object(Bucket=BUCKET, Key=store.pack_key(pack), Body=bytes(body[:-1]))
        result = cli.run("verify", "--json")
        assert result.exit_code == 1
        found = json.loads(result.stdout)
        assert not found["in_step"]
        assert pack in found["unreadable"]["words"]
        assert "instep rollback words" in found["unreadable"]["words"]
        assert found["compared"]["lines"] == len(heads["lines"])
        cli.made.s3.put_object(Bucket=BUCKET, Key=store.pack_key(pack), Body=bytes(body))
    assert cli.run("verify").exit_code == 0
    store.objects.delete([store.pack_key(min(packs))])
    for command in ("verify", "wait"):
        result = cli.run(command)
        assert result.exit_code == {"verify": 1, "wait": 3}[command]
        assert "instep history words" in " ".join(result.stderr.split())


def test_a_head_that_is_lost_is_damage_and_not_a_table_that_nobody_took_in(
    cli: Cli, heads: dict[str, Any]
) -> None:
    cli.publish("words", heads["words"])
    cli.made.s3.delete_object(Bucket=BUCKET, Key="words/HEAD")
    found = cli.json("verify")
    assert "words/HEAD is missing, though it was there" in found["unreadable"]["words"]
    assert found["compared"]["lines"] == len(heads["lines"])


def test_a_head_of_a_newer_release_keeps_nobody_from_the_others(
    cli: Cli, heads: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`verify` and `sweep` say so of that collection, and go on."""
    store = SnapshotStore(Objects(cli.made.s3, BUCKET), "words")
    head = store.head()
    assert head is not None
    with monkeypatch.context() as patch:
        patch.setattr(document, "FORMAT", 2)
        newer = document.write("version", {})
    store.objects.put(store.manifest_key(head.version), newer)
    found = cli.json("verify")
    assert "format 2" in found["unreadable"]["words"]
    assert found["compared"]["lines"] == len(heads["lines"])
    result = cli.run("sweep", "--json", "--yes")
    assert result.exit_code == 3
    swept = json.loads(result.stdout)
    assert "format 2" in swept["unswept"]["words"]
    assert [one["collection"] for one in swept["collections"]] == ["lines"]


def test_wait_returns_at_once_when_all_has_arrived(cli: Cli, heads: dict[str, Any]) -> None:
    assert heads
    result = cli.run("wait", "--timeout", "5")
    assert result.exit_code == 0, result.output
    assert "in step" in result.stdout


def test_wait_says_how_fresh_what_has_arrived_is(cli: Cli, heads: dict[str, Any]) -> None:
    made = [utc_now() - timedelta(hours=2)]
    cli.publish("words", heads["words"], made=made)
    fresh = cli.json("wait", "--timeout", "5")["freshness"]
    assert fresh["words"]["watermark"] == made[0].isoformat()
    assert fresh["words"]["lag"]["changes"] == 1
    assert fresh["lines"] == {"watermark": None, "lag": None}
    shown = " ".join(cli.run("wait", "--timeout", "5").stdout.split())
    assert "words: newest change applied is 2 h old; lag of the last 1 change: p50 2 h" in shown


def test_wait_says_which_change_has_not_arrived(cli: Cli, heads: dict[str, Any]) -> None:
    assert heads
    cli.put(label(RECEIPT, WORD, str(WORD.label), "VALID"))
    cli.made.sqs.send_message(QueueUrl=cli.made.inbox_url, MessageBody="{}")
    result = cli.run("wait", "--timeout", "0")
    assert result.exit_code == 1
    assert WORD_ID in "".join(result.stderr.split())
    assert "1 in the inbox" in result.stderr


def test_wait_counts_a_run_that_is_not_finished(cli: Cli, heads: dict[str, Any]) -> None:
    assert heads
    cli.put(run(RECEIPT, "r1", {"lines": "lines/delta/r1", "words": "words/delta/r1"}))
    found = cli.run("wait", "--timeout", "0")
    assert found.exit_code == 1
    assert "PENDING" in found.stderr


@pytest.mark.domain("expiry-pending")
def test_an_expiry_that_passed_while_the_item_is_still_there_is_no_drift(
    cli: Cli, heads: dict[str, Any]
) -> None:
    """DynamoDB deletes it hours or days later; until then nobody has anything to do."""
    long_ago = {"TimeToLive": {"N": "1000000000"}}
    expired = run(RECEIPT, "r1", {"lines": "lines/delta/r1", "words": "words/delta/r1"})
    cli.put(*(one | long_ago for one in (*items_of(RECEIPT), expired)))
    for command in ("verify", "wait"):
        assert cli.run(command, *["--timeout", "0"][: 2 * (command == "wait")]).exit_code == 0
    for fields in heads["words"].values():
        for name in (*MIRRORED, *LABEL_FIELDS):
            fields.pop(name, None)
    cli.publish("words", heads["words"])
    assert cli.run("verify").exit_code == 0
    heads["words"][WORD_ID]["merchant_name"] = "Nobody Ever"
    cli.publish("words", heads["words"])
    assert cli.run("verify").exit_code == 1


def test_wait_ends_when_the_head_moves_to_what_was_written(cli: Cli, heads: dict[str, Any]) -> None:
    cli.put(metadata(RECEIPT, "Renamed Market"))
    arrived = {
        collection: {id_: dict(fields) for id_, fields in embeddings.items()}
        for collection, embeddings in heads.items()
    }
    for embeddings in arrived.values():
        for fields in embeddings.values():
            fields |= {
                "merchant_name": "Renamed Market",
                "canonical_merchant_name": "Renamed Market",
            }

    def publish_later() -> None:
        for collection, embeddings in arrived.items():
            cli.publish(collection, embeddings)

    later = threading.Timer(0.5, publish_later)
    later.start()
    result = cli.run("wait", "--timeout", "60")
    later.join()
    assert result.exit_code == 0, result.output


def _differences(stdout: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stdout)["differences"]
    return found

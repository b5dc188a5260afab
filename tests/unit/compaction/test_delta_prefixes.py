"""Where a delta lies: every prefix seen, to the letter, in every bucket that may be asked."""

from pathlib import Path
from typing import Any

import pytest

from receipt_demo.producer import pack, write_directory
from tests.support.aws import BUCKET
from tests.support.items import Paper
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import Apply
from tests.unit.compaction.test_deltas import put_delta, records

PAPER = Paper()


@pytest.mark.domain("delta-prefixes", "delta-loose", "delta-buckets")
@pytest.mark.parametrize(
    "prefix",
    [
        "words/delta/run-1",
        "words/delta/run-1/",
        "words/delta/run-1/0a1b",
        "delta/0a1b/",
        f"s3://{BUCKET}/words/delta/run-1/",
        "s3://elsewhere/words/delta/run-1",
    ],
)
def test_every_prefix_seen_is_read_from_where_it_points(
    cloud: Cloud, words: Any, apply: Apply, prefix: str
) -> None:
    cloud.s3.create_bucket(Bucket="elsewhere")
    cloud.put(PAPER.receipt(), PAPER.run(words_delta_prefix=prefix), PAPER.word(1, 1))
    bucket = "elsewhere" if "elsewhere" in prefix else BUCKET
    folder = prefix.removeprefix(f"s3://{bucket}/")
    put_delta(cloud, folder, PAPER.word_id(1, 1), bucket=bucket, form="loose")
    put_delta(cloud, folder.rstrip("/") + "0", PAPER.word_id(1, 2), bucket=bucket, form="loose")
    apply(PAPER.run_message(), allowed_buckets=["elsewhere"])
    assert words.get()["ids"] == [PAPER.word_id(1, 1)]


@pytest.mark.domain("delta-slashes")
@pytest.mark.parametrize(
    ("prefix", "lies_at"),
    [
        ("/words/delta/lead", "/words/delta/lead/"),
        ("/words/delta/lead", "words/delta/lead/"),
        (f"s3://{BUCKET}//words/delta/lead", "/words/delta/lead/"),
        (f"s3://{BUCKET}//words/delta/lead", "words/delta/lead/"),
        ("words/delta/trail//", "words/delta/trail//"),
        ("words/delta/trail//", "words/delta/trail/"),
        ("words/delta/trail", "words/delta/trail//"),
        ("words//delta/within", "words//delta/within/"),
        ("words/delta/run.delta.tar.gz", "words/delta/run.delta.tar.gz/"),
        ("words/delta/run-1/delta.tar.gz", "words/delta/run-1/"),
    ],
)
@pytest.mark.parametrize("form", ["tar", "loose"])
def test_a_delta_is_looked_for_where_its_prefix_says_to_the_letter(
    cloud: Cloud, words: Any, apply: Apply, prefix: str, lies_at: str, form: Any, tmp_path: Path
) -> None:
    """S3 keys may begin with a slash and have two in a row, and producers join with one too many"""
    cloud.put(PAPER.receipt(), PAPER.run(words_delta_prefix=prefix), PAPER.word(1, 1))
    write_directory(tmp_path / "made", "words", *records(PAPER.word_id(1, 1)))
    files = {"delta.tar.gz": pack(tmp_path / "made")}
    if form == "loose":
        made = [path for path in (tmp_path / "made").rglob("*") if path.is_file()]
        files = {path.relative_to(tmp_path / "made").as_posix(): path.read_bytes() for path in made}
    for name, body in files.items():
        cloud.s3.put_object(Bucket=BUCKET, Key=f"{lies_at}{name}", Body=body)
    assert apply(PAPER.run_message()).failures == []
    assert words.get()["ids"] == [PAPER.word_id(1, 1)]


def test_the_delta_at_the_very_prefix_is_meant_and_not_its_neighbour(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.receipt(), PAPER.run(words_delta_prefix="/words/delta/run-1"))
    cloud.put(PAPER.word(1, 1), PAPER.word(1, 2))
    put_delta(cloud, "words/delta/run-1", PAPER.word_id(1, 1))
    put_delta(cloud, "/words/delta/run-1", PAPER.word_id(1, 2))
    apply(PAPER.run_message())
    assert words.get()["ids"] == [PAPER.word_id(1, 2)]


def test_nobody_computes_again_what_may_lie_elsewhere(cloud: Cloud, apply: Apply) -> None:
    cloud.put(PAPER.run(words_delta_prefix="/words/delta/gone"))
    (failure,) = apply(PAPER.run_message()).failures
    for place in ("/words/delta/gone/", "words/delta/gone/"):
        assert f"s3://{BUCKET}/{place} " in failure.reason


def test_another_buckets_refusal_is_the_failure_of_one_run(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.receipt(), PAPER.word(1, 1), PAPER.run("good"))
    cloud.put(PAPER.run("bad", words_delta_prefix="s3://elsewhere/words/delta/run-1"))
    put_delta(cloud, "words/delta/good", PAPER.word_id(1, 1))
    messages = PAPER.run_message("bad"), PAPER.run_message("good")
    (failure,) = apply(*messages, allowed_buckets=["elsewhere"]).failures
    assert (failure.index, failure.final) == (0, True)
    assert "NoSuchBucket" in failure.reason
    assert words.count() == 1

"""A hostile or broken delta is refused with its reason, and harms nothing and nobody beside it."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from instep.chroma.foreign.records import judging
from instep.errors import DeltaRejected, StorageUnavailable
from receipt_demo.producer import pack
from tests.support.aws import BUCKET
from tests.support.hostile import DETONATED, HOSTILE, Hostile, Place, directory
from tests.support.items import Paper
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import Apply, embed

PAPER, HEALTHY = Paper("img-1"), Paper("img-2")


@pytest.mark.domain("delta-hostile", "delta-without-collection", "delta-expired")
@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_it_is_refused_and_the_rest_goes_on(
    cloud: Cloud,
    words: Any,
    apply: Apply,
    tmp_path: Path,
    hostile: Hostile,
    capfd: pytest.CaptureFixture[str],
) -> None:
    embed(words, [PAPER.word_id(9, 9)])
    cloud.put(PAPER.receipt(), PAPER.word(1, 1), PAPER.run("bad"))
    cloud.put(HEALTHY.receipt(), HEALTHY.word(1, 1), HEALTHY.run("good"))
    scratch = tmp_path / "made"
    scratch.mkdir()
    bad = Place(cloud.s3, BUCKET, "words/delta/bad", [PAPER.word_id(1, 1)], scratch)
    good = Place(cloud.s3, BUCKET, "words/delta/good", [HEALTHY.word_id(1, 1)], scratch)
    hostile.write(bad)
    good.put(pack(directory(good)))
    before = {path for path in tmp_path.rglob("*") if scratch not in path.parents}

    result = apply(PAPER.run_message("bad"), HEALTHY.run_message("good"))

    (failure,) = result.failures
    assert (failure.index, failure.error, failure.final) == (0, DeltaRejected.__name__, True)
    assert any(word in failure.reason for word in hostile.reason.split("|")), failure.reason
    assert [merge.run_id for merge in result.delta_merge_results] == ["good"]
    assert set(words.get()["ids"]) == {PAPER.word_id(9, 9), HEALTHY.word_id(1, 1)}
    assert {path for path in tmp_path.rglob("*") if scratch not in path.parents} == before
    assert DETONATED not in capfd.readouterr().out


@pytest.mark.domain("delta-buckets")
@pytest.mark.parametrize("prefix", ["s3://elsewhere/words/delta/run-1", "s3://elsewhere/"])
def test_a_bucket_that_nobody_allowed_is_not_even_asked(
    cloud: Cloud, apply: Apply, prefix: str
) -> None:
    cloud.put(PAPER.run(words_delta_prefix=prefix))
    (failure,) = apply(PAPER.run_message()).failures
    assert (failure.error, failure.final) == (DeltaRejected.__name__, True)
    assert "DELTA_BUCKETS" in failure.reason


@pytest.mark.parametrize("prefix", ["/", f"s3://{BUCKET}/", f"s3://{BUCKET}", "delta.tar.gz"])
def test_a_delta_needs_a_prefix_of_its_own(cloud: Cloud, apply: Apply, prefix: str) -> None:
    cloud.put(PAPER.run(words_delta_prefix=prefix))
    (failure,) = apply(PAPER.run_message()).failures
    assert "a prefix of its own" in failure.reason


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (sqlite3.SQLITE_IOERR_READ, StorageUnavailable),
        (sqlite3.SQLITE_FULL, StorageUnavailable),
        (sqlite3.SQLITE_CORRUPT, DeltaRejected),
        (sqlite3.SQLITE_INTERRUPT, DeltaRejected),
    ],
)
def test_what_the_disk_failed_at_is_no_fault_of_a_delta(code: int, error: type[Exception]) -> None:
    raised = sqlite3.OperationalError("whatever SQLite says")
    raised.sqlite_errorcode = code
    with pytest.raises(error, match="whatever SQLite says"), judging():
        raise raised

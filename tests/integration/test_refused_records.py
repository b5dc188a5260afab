"""A delta with one bad record, through the workflow: its run names it, the others are merged."""

import sqlite3
import struct
from pathlib import Path

from tests.support.arrivals import run_item
from tests.support.aws import BUCKET
from tests.support.pipeline import Pipeline
from tests.support.receipts import WIDTH, Receipt


def test_the_run_is_failed_with_the_record_named_and_the_others_merged(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    receipt, healthy = Receipt("spoilt"), Receipt("healthy")
    for one in (receipt, healthy):
        one.upload(pipeline.aws.s3, BUCKET)
    spoil(
        pipeline, f"words/delta/{receipt.image_id}-{receipt.run_id}/", receipt.word_id(2), tmp_path
    )
    items = [*receipt.items(), receipt.run(), *healthy.items(), healthy.run()]
    pipeline.ingest(pipeline.put(*items))

    run = pipeline.run()

    assert run.succeeded, run.cause
    good = {receipt.word_id(word) for word in (1, 3, 4)}
    others = {healthy.word_id(word) for word in range(1, 5)}
    assert set(pipeline.embeddings("words")) == good | others
    written = run_item(pipeline, receipt)
    assert (written["words_state"], written["words_merged_vectors"]) == ("FAILED", "3")
    named = f"1 of 4 records refused: {receipt.word_id(2)}: its vector has NaN or infinite numbers"
    assert f"{named}; the other 3 are merged" in written["words_error"]
    assert written["lines_state"] == "COMPLETED"
    (rejected,) = pipeline.rejected()
    assert named in rejected["reason"]
    assert run_item(pipeline, healthy)["words_state"] == "COMPLETED"


def spoil(pipeline: Pipeline, folder: str, id_: str, scratch: Path) -> None:
    """Write NaN where a loose delta's database has the vector of one embedding."""
    path, key = scratch / "chroma.sqlite3", f"{folder}chroma.sqlite3"
    path.write_bytes(pipeline.aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    database = sqlite3.connect(path)
    nothing = struct.pack(f"<{WIDTH}f", *[float("nan")] * WIDTH)
    database.execute("UPDATE embeddings_queue SET vector = ? WHERE id = ?", (nothing, id_))
    database.commit()
    database.close()
    pipeline.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())

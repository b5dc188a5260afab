"""A mapping that has changed: a sync builds the collection anew beside the head, and what it was
lets take over is complete.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.items_app.items import APP, COLLECTION, item
from instep.aws.objects import Objects
from instep.mapping.domain import load
from instep.snapshot.acts.anew import take_over
from instep.snapshot.copy.store import SnapshotStore
from tests.support.aws import BUCKET, Services, services
from tests.support.pipeline import Pipeline

ITEMS = 12


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Services]:
    with services(monkeypatch) as made:
        monkeypatch.setenv("CHROMA_ROOT", str(tmp_path / "chroma"))
        yield made


def deployed(aws: Services, folder: Path, mapping: str) -> Pipeline:
    """The functions bound to a mapping."""
    folder.mkdir()
    (folder / "instep.toml").write_text(mapping)
    return Pipeline(aws, load(folder / "instep.toml"))


@pytest.mark.invariant(4)
def test_a_sync_builds_anew_what_another_mapping_makes(aws: Services, tmp_path: Path) -> None:
    text = (APP / "instep.toml").read_text()
    before = deployed(aws, tmp_path / "before", text)
    before.put(*(item(number, number) for number in range(ITEMS)))
    assert before.run({"Sync": {}}).succeeded
    assert before.run().succeeded
    old = before.embeddings(COLLECTION)
    assert len(old) == ITEMS

    after = deployed(aws, tmp_path / "after", text.replace('"{PK}"', '"{PK}/{SK}"'))
    assert after.run({"Sync": {}}).succeeded
    assert after.run().succeeded
    assert after.embeddings(COLLECTION) == old, "readers stay with the old one"
    store = SnapshotStore(Objects(aws.s3, BUCKET), COLLECTION)
    take_over(store, after.domain.collections[COLLECTION].identity, "operator")
    new = after.embeddings(COLLECTION)
    assert set(new) == {f"{id_}/ITEM" for id_ in old}
    head = store.head()

    assert after.run({"Sync": {}}).succeeded
    assert after.run().succeeded
    assert store.head() == head, "and a sync of that writes nothing"

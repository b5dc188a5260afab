"""A deployed collection brought to where a fold is due, and back, by the engine's own calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chromadb import Collection

from instep.aws.objects import Objects
from instep.chroma.collection import get_collection
from instep.snapshot.acts.fold import fold
from instep.snapshot.acts.folding import PENDING_VECTORS
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.store import SnapshotStore
from tests.support.deployed import DeployedApp
from tests.support.receipts import WIDTH


@contextmanager
def fold_due(app: DeployedApp, name: str) -> Iterator[None]:
    """Leave so many vectors pending that the next publish finds a fold due; neither they nor a fold
    that is due are left afterwards.
    """
    store = SnapshotStore(Objects(app.target.client("s3"), app.deployment.chromadb_bucket), name)
    ids = [f"pending-{at}" for at in range(PENDING_VECTORS)]
    vectors: Any = [[float(at + 1)] * WIDTH for at in range(PENDING_VECTORS)]
    with TemporaryDirectory() as scratch:
        with _published(store, Path(scratch) / "due") as collection:
            collection.upsert(ids=ids, embeddings=vectors)
        yield
        with _published(store, Path(scratch) / "gone") as collection:
            collection.delete(ids)
        head = store.head()
        assert head is not None
        publish_unleased(store, fold(store, Path(scratch) / "fold", "test", head.fencing_token))


@contextmanager
def _published(store: SnapshotStore, scratch: Path) -> Iterator[Collection]:
    """Change the collection inside the block; the change is the new head."""
    with open_workspace(store, scratch) as workspace:
        yield get_collection(workspace.client, store.collection)
        publish_unleased(store, workspace.stage("test", 0, None, {}))

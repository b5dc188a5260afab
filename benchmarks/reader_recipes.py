"""The recipes for other libraries, each run as its first lines say, in an environment of its own.

    python -m benchmarks.reader_recipes

Publishes a shelf of groceries to a local S3, embedded with the demo's model, and has each recipe in
examples/ look for something sour. It installs packages, so it is no part of `make test`.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import uv

from benchmarks.endpoint import KEY, REGION, Endpoint, empty_bucket, local_endpoint
from instep.aws.objects import Objects
from instep.embedding.local import unit_vectors
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.store import SnapshotStore

ROOT: Final = Path(__file__).resolve().parent.parent
RECIPES: Final = ("langchain_reader", "llamaindex_reader")
SHELF: Final = ("lemon juice", "vinegar", "whole milk", "rye bread", "dish soap", "light bulb")
ASKED: Final = "something sour like lemon"
_BUCKET, _COLLECTION = "recipes", "groceries"


def main() -> None:
    """Run them; exit with what one got wrong."""
    with local_endpoint() as endpoint, TemporaryDirectory() as scratch:
        _publish(endpoint, Path(scratch))
        for recipe in RECIPES:
            said = _run(recipe, endpoint)
            print(f"--- {recipe}\n{said}", flush=True)
            first = said.splitlines()[1]
            if SHELF[0] not in first or "refused: " not in said:
                sys.exit(f"{recipe} does not find {SHELF[0]} first, or writes")


def _run(recipe: str, endpoint: Endpoint) -> str:
    """Return what the recipe prints."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": REGION,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    script = str(ROOT / "examples" / f"{recipe}.py")
    ran = subprocess.run(  # noqa: S603 - our own script
        [
            uv.find_uv_bin(),
            "run",
            "--quiet",
            "--script",
            script,
            f"s3://{_BUCKET}",
            _COLLECTION,
            ASKED,
        ],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        sys.exit(f"{recipe} failed:\n{ran.stderr}")
    return ran.stdout


def _publish(endpoint: Endpoint, scratch: Path) -> None:
    client = endpoint.s3()
    empty_bucket(client, _BUCKET)
    store = SnapshotStore(Objects(client, _BUCKET), _COLLECTION)
    with open_workspace(store, scratch) as workspace:
        shelf = workspace.client.get_collection(_COLLECTION, embedding_function=None)
        vectors: Any = unit_vectors(SHELF).tolist()
        shelf.add(
            ids=[f"item-{number}" for number in range(len(SHELF))],
            embeddings=vectors,
            documents=list(SHELF),
            metadatas=[{"aisle": number // 2} for number in range(len(SHELF))],
        )
        publish_unleased(store, workspace.stage("recipes", 1, None, {}))


if __name__ == "__main__":
    main()

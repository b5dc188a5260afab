"""Which releases of chromadb may read a snapshot: each is installed by itself, and asked.

    python -m benchmarks.reader_releases [RELEASE ...]

An environment a release under .build/releases; the questions are reader_contract.py's. What came of
it is written to tests/unit/snapshot/reader_releases.json, which a test holds `installed.READERS`
against. It installs packages, so it is no part of `make test`.
"""

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import uv

from benchmarks.endpoint import KEY, REGION, Endpoint, empty_bucket, local_endpoint
from benchmarks.reader_contract import COLLECTION, answers, contents
from instep.aws.objects import Objects
from instep.chroma.installed import WRITER
from instep.snapshot.acts.fold import fold
from instep.snapshot.acts.publish import Staged, publish_unleased
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.reader import open_snapshot
from instep.snapshot.copy.store import SnapshotStore

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection
    from mypy_boto3_s3 import S3Client

ROOT: Final = Path(__file__).resolve().parent.parent
RECORD: Final = ROOT / "tests" / "unit" / "snapshot" / "reader_releases.json"
ENVIRONMENTS: Final = ROOT / ".build" / "releases"
TRIED: Final = ("1.5.8", "1.5.7", "1.5.6", "1.5.5", "1.5.4", "1.5.2", "1.5.1", "1.5.0", "1.4.1")
_BUCKET: Final = "contract"
_WIDTH: Final = 16


def main(releases: Sequence[str]) -> None:
    """Try the releases and write the record; what it says of others stays."""
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    with local_endpoint() as endpoint, TemporaryDirectory() as scratch:
        world = Path(scratch) / "world.json"
        world.write_text(json.dumps(publish_world(endpoint.s3(), Path(scratch))))
        for release in releases:
            record[release] = _ask(release, endpoint, world)
            print(release, record[release], flush=True)
    newest_first = sorted(record, key=lambda name: [*map(int, name.split("."))], reverse=True)
    RECORD.write_text(json.dumps({name: record[name] for name in newest_first}, indent=2) + "\n")


def _ask(release: str, endpoint: Endpoint, world: Path) -> dict[str, Any]:
    """Return the release's schema and what it failed."""
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    ran = subprocess.run(  # noqa: S603 - our own script
        [_python(release), "-m", "benchmarks.reader_contract", str(world)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        return {"schema": "", "failed": {"starts": ran.stderr.strip().rpartition("\n")[2][:200]}}
    told: dict[str, Any] = json.loads(ran.stdout.strip().rpartition("\n")[2])
    if told.pop("release") != release:
        raise RuntimeError(f"{_python(release)} is no environment of {release}: remove it")
    return told


def _python(release: str) -> str:
    """Return the interpreter of an environment with this release, made where there is none."""
    environment = ENVIRONMENTS / release
    python = environment / "bin" / "python"
    binary = uv.find_uv_bin()
    if not python.exists():
        _run(binary, "venv", "--quiet", "--python", sys.executable, str(environment))
    wanted = (f"chromadb=={release}", "boto3", "zstandard")
    _run(binary, "pip", "install", "--quiet", "--no-config", "--python", str(python), *wanted)
    return str(python)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603 - uv


def publish_world(client: "S3Client", scratch: Path) -> dict[str, Any]:
    """Publish versions of every kind with the writer's release; return a `World` as JSON."""
    empty_bucket(client, _BUCKET)
    objects = Objects(client, _BUCKET)
    store = SnapshotStore(objects, COLLECTION)
    vectors = [_vector(number) for number in (7, 150)]
    world: dict[str, Any] = {"heads": [], "versions": [], "contents": [], "answers": []}
    for staged in _staged(store, scratch):
        published = publish_unleased(store, staged)
        with open_snapshot(objects, COLLECTION) as snapshot:
            world["contents"].append(contents(snapshot.collection))
            world["answers"].append(answers(snapshot.collection, vectors))
        world["versions"].append(published.version)
        world["heads"].append(b64encode(objects.get(store.head_key).body).decode())
    return {"bucket": _BUCKET, "vectors": vectors, **world}


def _staged(store: SnapshotStore, scratch: Path) -> Iterator[Staged]:
    """Yield versions to publish: vectors that wait, a folded index, edits, vectors on that."""
    acts: list[Callable[[Collection], object]] = [
        lambda words: _add(words, range(300)),
        lambda words: words.update(
            ids=[_id(number) for number in range(0, 300, 3)], metadatas=[{"colour": "red"}] * 100
        ),
        _add_and_delete,
    ]
    for number, act in enumerate(acts):
        with open_workspace(store, scratch / "warm") as workspace:
            act(workspace.client.get_collection(COLLECTION, embedding_function=None))
            staged = workspace.stage("contract", number + 1, None, {})
        yield staged
        if number == 0:
            yield fold(store, scratch / "fold", "contract", 1, None)


def _add_and_delete(words: "Collection") -> None:
    _add(words, range(300, 320))
    words.delete(ids=["w00002", "w00305"])


def _add(words: "Collection", numbers: range) -> None:
    embeddings: Any = [_vector(number) for number in numbers]
    words.add(
        ids=[_id(number) for number in numbers],
        embeddings=embeddings,
        documents=[f"text of {number}" for number in numbers],
        metadatas=[
            {
                "place": number,
                "price": number / 7,
                "good": number % 2 == 0,
                "colour": "blue",
                "labels": ["FRUIT", "SALE"] if number % 5 == 0 else ["DAIRY"],
            }
            for number in numbers
        ],
    )


def _id(number: int) -> str:
    return f"w{number:05d}"


def _vector(number: int) -> list[float]:
    """Return floats that 32 bits hold exactly, of no two numbers alike."""
    return [float((number * (at + 3) ** 2) % 509) for at in range(_WIDTH)]


if __name__ == "__main__":
    if WRITER in sys.argv[1:]:
        sys.exit(f"{WRITER} is the writer's: the test suite asks it")
    main(sys.argv[1:] or TRIED)

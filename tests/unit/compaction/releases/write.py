"""Write RELEASE.tar.gz and RELEASE.json: a delta, and what its own chromadb reads of it.

In a virtual environment that has chromadb RELEASE and nothing of ours: `python write.py RELEASE`.
Each collection holds vectors another way: all in the log, persisted in both spaces and in both
ways to ask for one, and some of each.
"""

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import chromadb
from chromadb.config import Settings

_SMALL = {"sync_threshold": 6, "batch_size": 3}
_SETTINGS = Settings(anonymized_telemetry=False)
_INCLUDE = ["embeddings", "metadatas", "documents"]


def _made(client: Any, name: str, space: str, *, small: bool, legacy: bool) -> Any:
    settings = {"space": space, **(_SMALL if small else {})}
    if legacy:
        given = {"metadata": {f"hnsw:{key}": value for key, value in settings.items()}}
    else:
        given = {"configuration": {"hnsw": settings}}
    return client.create_collection(name, embedding_function=None, **given)


def _filled(words: Any, *, few: bool) -> None:
    """Add one by one, and do to some what a producer may do twice, late or in vain."""
    for at in range(4 if few else 9):
        words.add(
            ids=[f"id-{at}"],
            embeddings=[[at + 0.25, -1.5, 3.0]],
            metadatas=[{"n": at, "f": 0.5, "b": at % 2 == 0, "t": f"text {at}"}],
            documents=None if at == 1 else [f"document {at}"],
        )
    words.add(ids=["id-0"], embeddings=[[9, 9, 9]], metadatas=[{"n": 9}], documents=["twice"])
    words.update(ids=["id-2"], embeddings=[[7, 7, 7]], metadatas=[{"t": "new"}], documents=["new"])
    words.update(ids=["absent"], embeddings=[[8, 8, 8]], metadatas=[{"n": 8}], documents=["no"])
    words.delete(ids=["id-3"])
    words.upsert(ids=["late"], embeddings=[[1, 2, 3]], metadatas=[{"n": 1}], documents=["late"])
    words.upsert(ids=["late"], embeddings=[[3, 2, 1]], metadatas=[{"f": 2.0}])
    words.add(ids=["id-3"], embeddings=[[6, 6, 6]], metadatas=[{"n": 3}], documents=["again"])


def _write(directory: str) -> None:
    client: Any = chromadb.PersistentClient(directory, settings=_SETTINGS)
    old = chromadb.__version__.startswith("0.")
    for name, space, small, legacy in (
        ("pending", "l2", False, old),
        ("persisted", "l2", True, old),
        ("cosine", "cosine", True, old),
        ("legacy", "cosine", True, True),
    ):
        _filled(_made(client, name, space, small=small, legacy=legacy), few=name == "pending")
    client.create_collection("empty", embedding_function=None)


def _read(directory: str) -> None:
    client: Any = chromadb.PersistentClient(directory, settings=_SETTINGS)
    truth = {}
    for name in ("pending", "persisted", "cosine", "legacy", "empty"):
        got = client.get_collection(name, embedding_function=None).get(include=_INCLUDE)
        rows = zip(got["ids"], *(got[key] for key in _INCLUDE), strict=True)
        truth[name] = {id_: [[float(n) for n in vector], *rest] for id_, vector, *rest in rows}
    sys.stdout.write(json.dumps(truth, indent=1, sort_keys=True))


def _myself(*arguments: str) -> bytes:
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603 - ours


def main(release: str) -> None:
    """Write the delta in one process and read a copy of it in another."""
    if chromadb.__version__ != release:
        raise SystemExit(f"this is chromadb {chromadb.__version__}, not {release}")
    with TemporaryDirectory() as name:
        _myself("write", name)
        with tarfile.open(f"{release}.tar.gz", "w:gz") as archive:
            archive.add(name, arcname=".")
        Path(f"{release}.json").write_bytes(_myself("read", name))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", place]:
            _write(place)
        case ["read", place]:
            _read(place)
        case _:
            main(sys.argv[1])

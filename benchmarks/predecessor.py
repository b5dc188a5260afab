"""The predecessor's way: download all, apply message by message, hash, upload all, move a pointer.

As docs/domain.md and its code describe it: loose files under timestamped/<id>, an md5 beside them,
a plain chromadb client. Done in its favour: transfers the way this endpoint is fastest (one request
a file), nothing for its lock, its queue or the import of chromadb, and tidying up is not timed.
"""

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from boto3.s3.transfer import TransferConfig

from benchmarks.endpoint import keys_under
from benchmarks.measure import Run, Stopwatch, measured
from benchmarks.source import normal_client
from benchmarks.traffic import ClientTraffic
from benchmarks.workload import COLLECTION, Fields, Words
from instep.clock import utc_now

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from mypy_boto3_s3 import S3Client

_ROOT = f"{COLLECTION}/snapshot"
_POINTER = f"{_ROOT}/latest-pointer.txt"
_ONE_REQUEST = TransferConfig(multipart_threshold=5 << 30, use_threads=False)
_UPSERT_CHUNK = 1_000
_READ = 1 << 20


class Predecessor:
    """Its snapshots in `bucket`; `scratch` is its /tmp."""

    def __init__(self, client: "S3Client", bucket: str, scratch: Path) -> None:
        self._client = client
        self.bucket = bucket
        self._scratch = scratch
        self.traffic = ClientTraffic(client)

    def seed(self, directory: Path) -> None:
        """Make `directory` the latest snapshot, and the only one."""
        self._upload(directory)
        self._drop_old()

    def update_labels(self, edits: dict[str, Fields]) -> Run:
        """Return what a run of these messages takes, one a touched word."""
        run = measured(self.traffic, lambda watch: self._label_run(edits, watch))
        self._drop_old()
        return run

    def add_words(self, words: Words) -> Run:
        """Return what merging these words takes; the snapshot before them stays the latest one,
        so that every run starts from the same collection.
        """
        before = self.latest()
        run = measured(self.traffic, lambda watch: self._merge_run(words, watch))
        self._point_to(before)
        self._drop_old()
        return run

    def read(self, directory: Path, word: str) -> Run:
        """Return what its reader pays until it has read a word of the latest snapshot: a full
        download into `directory`, and a client that has to open it.
        """
        shutil.rmtree(directory, ignore_errors=True)

        def work(watch: Stopwatch) -> None:
            with watch.phase("sync"):
                self._download(directory)
            with watch.phase("read"):
                clients.append(normal_client(directory))
                collection = clients[0].get_collection(COLLECTION, embedding_function=None)
                collection.get(ids=[word])

        clients: list[ClientAPI] = []
        run = measured(self.traffic, work)
        clients[0].close()  # type: ignore[attr-defined]
        return run

    def latest(self) -> str:
        """Return the id of the version that the pointer names."""
        body = self._client.get_object(Bucket=self.bucket, Key=_POINTER)["Body"].read()
        return body.decode().strip()

    def _label_run(self, edits: dict[str, Fields], watch: Stopwatch) -> None:
        directory = self._scratch / uuid4().hex
        with watch.phase("download"):
            self._download(directory)
        with watch.phase("apply"):
            client = normal_client(directory)
            collection = client.get_collection(COLLECTION, embedding_function=None)
            for word, changes in edits.items():
                found = collection.get(ids=[word], include=["metadatas"])["metadatas"]
                merged = {**(found[0] if found else {}), **changes}
                collection.update(ids=[word], metadatas=[merged])
            client.close()  # type: ignore[attr-defined]
        self._finish(directory, watch)

    def _merge_run(self, words: Words, watch: Stopwatch) -> None:
        directory = self._scratch / uuid4().hex
        with watch.phase("download"):
            self._download(directory)
        with watch.phase("apply"):
            client = normal_client(directory)
            collection = client.get_collection(COLLECTION, embedding_function=None)
            for start in range(0, len(words.ids), _UPSERT_CHUNK):
                chunk = slice(start, start + _UPSERT_CHUNK)
                collection.upsert(
                    ids=words.ids[chunk],
                    embeddings=words.embeddings[chunk],
                    metadatas=list(words.metadatas[chunk]),
                    documents=words.documents[chunk],
                )
            client.close()  # type: ignore[attr-defined]
        self._finish(directory, watch)

    def _finish(self, directory: Path, watch: Stopwatch) -> None:
        with watch.phase("hash"):
            digest = _md5_of(directory)
        with watch.phase("upload"):
            self._upload(directory, digest)

    def _download(self, directory: Path) -> None:
        prefix = f"{_ROOT}/timestamped/{self.latest()}/"
        for key in keys_under(self._client, self.bucket, prefix):
            path = directory / key.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._client.download_file(self.bucket, key, str(path), Config=_ONE_REQUEST)

    def _upload(self, directory: Path, digest: str = "") -> None:
        version = f"{utc_now():%Y%m%d_%H%M%S_%f}_{uuid4().hex[:8]}"
        for path in sorted(directory.rglob("*")):
            if path.is_file() and path.name != ".snapshot_hash":
                key = f"{_ROOT}/timestamped/{version}/{path.relative_to(directory).as_posix()}"
                self._client.upload_file(str(path), self.bucket, key, Config=_ONE_REQUEST)
        self._client.put_object(
            Bucket=self.bucket,
            Key=f"{_ROOT}/timestamped/{version}/.snapshot_hash",
            Body=digest.encode(),
        )
        self._point_to(version)

    def _point_to(self, version: str) -> None:
        self._client.put_object(Bucket=self.bucket, Key=_POINTER, Body=version.encode())

    def _drop_old(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        kept = f"{_ROOT}/timestamped/{self.latest()}/"
        for key in keys_under(self._client, self.bucket, f"{_ROOT}/timestamped/"):
            if not key.startswith(kept):
                self._client.delete_object(Bucket=self.bucket, Key=key)


def _md5_of(directory: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                while block := file.read(_READ):
                    digest.update(block)
    return digest.hexdigest()

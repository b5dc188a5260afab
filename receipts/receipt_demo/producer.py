"""Writes an embedding delta as whatever computes embeddings does: a small real Chroma directory.

The two forms are docs/domain.md's, A delta: `<prefix>/delta.tar.gz`, or loose objects under the
prefix. The COMPACTION_RUN item that announces it is the caller's to write, afterwards.
"""

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import chromadb
from chromadb.config import Settings

if TYPE_CHECKING:
    import numpy as np
    from mypy_boto3_s3 import S3Client
    from numpy.typing import NDArray

_RECORDS_A_CALL = 5_000


def write_delta(
    client: "S3Client",
    bucket: str,
    prefix: str,
    collection: str,
    ids: Sequence[str],
    embeddings: "NDArray[np.float32] | Sequence[Sequence[float]]",
    metadatas: Sequence[Mapping[str, Any]],
    documents: Sequence[str],
    *,
    form: Literal["tar", "loose"] = "tar",
) -> None:
    """Write these records (four sequences of one length, zero allowed) as a delta at `prefix`."""
    folder = prefix.rstrip("/")
    with TemporaryDirectory(prefix="delta-") as made:
        directory = Path(made)
        write_directory(directory, collection, ids, embeddings, metadatas, documents)
        if form == "tar":
            client.put_object(Bucket=bucket, Key=f"{folder}/delta.tar.gz", Body=pack(directory))
            return
        for name, body in files_in(directory).items():
            client.put_object(Bucket=bucket, Key=f"{folder}/{name}", Body=body)


def files_in(directory: Path) -> dict[str, bytes]:
    """Return the files of a directory by their names in it, as a loose delta carries them."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def write_directory(
    directory: Path,
    collection: str,
    ids: Sequence[str],
    embeddings: "NDArray[np.float32] | Sequence[Sequence[float]]",
    metadatas: Sequence[Mapping[str, Any]],
    documents: Sequence[str],
) -> None:
    """Make a Chroma directory with one collection that holds these records."""
    settings = Settings(anonymized_telemetry=False)
    store: Any = chromadb.PersistentClient(str(directory), settings=settings)
    try:
        records = store.create_collection(collection, embedding_function=None)
        for at in range(0, len(ids), _RECORDS_A_CALL):
            chunk = slice(at, at + _RECORDS_A_CALL)
            records.add(
                ids=list(ids[chunk]),
                embeddings=embeddings[chunk],
                metadatas=[dict(one) for one in metadatas[chunk]],
                documents=list(documents[chunk]),
            )
    finally:
        store.close()


def pack(directory: Path) -> bytes:
    """Return the directory as a gzipped tar whose members are `./...`."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        archive.add(directory, arcname=".")
    return body.getvalue()

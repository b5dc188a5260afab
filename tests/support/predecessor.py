"""Snapshots as the predecessor left them in S3: written by plain chromadb, packed by hand."""

from hashlib import md5
from pathlib import Path
from typing import Any, Final

import chromadb

from instep.chroma.collection import close_client
from receipt_demo.producer import pack
from tests.support.aws import BUCKET
from tests.support.snapshots import NAME, Act

ID: Final = "20251001_120000_123456_0a1b2c3d"
FOLDER: Final = f"{NAME}/snapshot/timestamped/{ID}/"
ARCHIVE: Final = f"{FOLDER}snapshot.tar.gz"
POINTER: Final = f"{NAME}/snapshot/latest-pointer.txt"


def write_directory(directory: Path, *acts: Act, name: str = NAME, **settings: Any) -> Path:
    """Write a Chroma directory with a client and settings that know nothing of us; return it."""
    client = chromadb.PersistentClient(str(directory))
    try:
        collection = client.create_collection(name, embedding_function=None, **settings)
        for act in acts:
            act(collection)
            collection.get(limit=1)
    finally:
        close_client(client)
    return directory


def upload(s3: Any, directory: Path, *, form: str = "tar", bucket: str = BUCKET) -> None:
    """Put a directory there as one archive with its hash, or as loose files; and the pointer."""
    if form == "tar":
        body = pack(directory)
        put(s3, ARCHIVE, body, bucket=bucket)
        said = f"md5:{md5(body, usedforsecurity=False).hexdigest()}"
        put(s3, f"{FOLDER}.snapshot_hash", said.encode(), bucket=bucket)
    else:
        for path in directory.rglob("*"):
            if path.is_file():
                put(s3, f"{FOLDER}{path.relative_to(directory)}", path.read_bytes(), bucket=bucket)
    put(s3, POINTER, f"{ID}\n".encode(), bucket=bucket)


def put(s3: Any, key: str, body: bytes, *, bucket: str = BUCKET) -> None:
    """Put one object."""
    s3.put_object(Bucket=bucket, Key=key, Body=body)

"""S3, and the answers a conditional write can have: Written, Lost(what is there now), or unknown.

The rule is docs/design.md, "Conditional writes have three answers": 409 means the same write again,
412 means somebody was first (perhaps an earlier try of ours), a timeout means neither.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, FlexibleChecksumError, IncompleteReadError

from instep.aws.aws_errors import storage
from instep.batched import batched
from instep.errors import ConfigurationMissing, StorageUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_TRIES_AFTER_409: Final = 5
_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_NO_BUCKET: Final = "NoSuchBucket"
_DELETED_A_CALL: Final = 1000
_CHUNK: Final = 1 << 20


class ObjectMissing(LookupError):
    """No object lies at this key."""


class ObjectTooLarge(ValueError):
    """The object is larger than its reader allows; nothing of it was read."""


@dataclass(frozen=True)
class Fetched:
    """An object's whole body and the etag that names exactly these bytes."""

    body: bytes
    etag: str


@dataclass(frozen=True)
class Written:
    """The write took place; `etag` names what was written."""

    etag: str


@dataclass(frozen=True)
class Lost:
    """Another write was first; `current` is what lies there now, None when nothing does."""

    current: Fetched | None


@dataclass(frozen=True)
class Listed:
    """One line of a listing: size in bytes, modification time in UTC."""

    key: str
    size: int
    modified: datetime


@dataclass
class Traffic:
    """Bytes of bodies moved and requests sent so far; safe to add to from several threads."""

    up: int = 0
    down: int = 0
    requests: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def add(self, *, up: int = 0, down: int = 0) -> None:
        """Count one request and the bytes it moved."""
        with self._lock:
            self.up += up
            self.down += down
            self.requests += 1


class Objects:
    """One bucket, or what lies under `prefix` in it: every key here is without that.

    Throttles, 5xx and timeouts beyond botocore's retries are StorageUnavailable.
    """

    def __init__(self, client: "S3Client", bucket: str, prefix: str = "") -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix
        self.traffic = Traffic()

    def where(self, key: str = "") -> str:
        """Return where an object lies, as people write it."""
        return f"s3://{self.bucket}/{self.prefix}{key}"

    def get(self, key: str, limit: int | None = None) -> Fetched:
        """Return the object; ObjectMissing, or ObjectTooLarge beyond `limit` bytes."""
        found = self.find(key, limit)
        if found is None:
            raise ObjectMissing(f"{self.where(key)} does not exist")
        return found

    def find(self, key: str, limit: int | None = None) -> Fetched | None:
        """Return the object, or None; ObjectTooLarge beyond `limit` bytes."""
        try:
            with self._reading(key, limit) as answer:
                body = answer["Body"].read()
        except ObjectMissing:
            self.traffic.add()
            return None
        self.traffic.add(down=len(body))
        return Fetched(body, answer["ETag"])

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes (1 or more) of the object from `start` on, or as many as it has."""
        where = f"bytes={start}-{start + length - 1}"
        with self._reading(key, None, Range=where) as answer:
            body = answer["Body"].read()
        self.traffic.add(down=len(body))
        return body

    def download(self, key: str, path: Path, limit: int, each: Callable[[bytes], None]) -> None:
        """Write the object to a new file, a chunk at a time; `each` is given every chunk.

        ObjectMissing, or ObjectTooLarge beyond `limit` bytes. A download cut off leaves the file.
        """
        with self._reading(key, limit) as answer, path.open("xb") as file:
            for chunk in answer["Body"].iter_chunks(_CHUNK):
                file.write(chunk)
                each(chunk)
        self.traffic.add(down=answer["ContentLength"])

    def was_deleted(self, key: str) -> bool:
        """Say whether a versioned bucket remembers that this object was there and was deleted."""
        try:
            with storage(f"HEAD {self.where(key)}"):
                self.client.head_object(Bucket=self.bucket, Key=self.prefix + key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            headers = error.response["ResponseMetadata"]["HTTPHeaders"]
            return headers.get("x-amz-delete-marker") == "true"
        finally:
            self.traffic.add()
        return False

    def create(self, key: str, body: bytes) -> Written | Lost:
        """Write the object unless one is there (If-None-Match: *)."""
        return self._conditionally(key, body, IfNoneMatch="*")

    def replace(self, key: str, body: bytes, etag: str) -> Written | Lost:
        """Write the object if it still is what `etag` names (If-Match)."""
        return self._conditionally(key, body, IfMatch=etag)

    def put(self, key: str, body: bytes) -> None:
        """Write the object, whatever is there: for keys named by content, or idempotent writes."""
        self._write(key, body)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield what lies under `prefix`, in key order."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix + prefix
        )
        with storage(f"LIST {self.where(prefix)}"):
            for page in pages:
                self.traffic.add()
                for entry in page.get("Contents", ()):
                    key = entry["Key"].removeprefix(self.prefix)
                    yield Listed(key, entry["Size"], entry["LastModified"])

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects; a key that is not there is no error."""
        waiting = [self.prefix + key for key in keys]
        for chunk in batched(waiting, _DELETED_A_CALL):
            with storage(f"DELETE {len(chunk)} objects of {self.where()}"):
                answer = self.client.delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": [{"Key": key} for key in chunk], "Quiet": True},
                )
            self.traffic.add()
            if answer.get("Errors"):
                first = answer["Errors"][0]
                raise StorageUnavailable(
                    f"{len(answer['Errors'])} of {len(chunk)} objects were not deleted; "
                    f"{first.get('Key')}: {first.get('Code')} {first.get('Message')}"
                )

    @contextmanager
    def _reading(
        self, key: str, limit: int | None, **part: Any
    ) -> "Iterator[GetObjectOutputTypeDef]":
        """Open an object; what breaks off on the way is StorageUnavailable."""
        where = self.where(key)
        try:
            with storage(f"GET {where}"):
                answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key, **part)
                with answer["Body"]:
                    if limit is not None and answer["ContentLength"] > limit:
                        raise ObjectTooLarge(
                            f"{where} has {answer['ContentLength']} bytes, more than the {limit} "
                            f"allowed"
                        )
                    yield answer
        except ClientError as error:
            if error.response["Error"]["Code"] == _NO_BUCKET:
                raise ConfigurationMissing(
                    f"there is no bucket {self.bucket}: name the one that holds the snapshots"
                ) from error
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            raise ObjectMissing(f"{where} does not exist") from error
        except (IncompleteReadError, FlexibleChecksumError) as error:
            raise StorageUnavailable(f"GET {where} broke off: {error}") from error

    def _conditionally(self, key: str, body: bytes, **condition: Any) -> Written | Lost:
        try:
            return self._write(key, body, **condition)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 412 or error.response["Error"]["Code"] in _MISSING:
                return Lost(self.find(key))
            raise

    def _write(self, key: str, body: bytes, **condition: Any) -> Written:
        for _ in range(_TRIES_AFTER_409):
            self.traffic.add(up=len(body))
            try:
                with storage(f"PUT {self.where(key)}"):
                    answer = self.client.put_object(
                        Bucket=self.bucket, Key=self.prefix + key, Body=body, **condition
                    )
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 409:
                    raise
                continue  # S3 could not decide between two writes: the same write again
            return Written(answer["ETag"])
        raise StorageUnavailable(
            f"PUT {self.where(key)}: still contended after {_TRIES_AFTER_409} tries"
        )

"""What a reader is told to read, as a person writes it: a bucket, a place in one, a directory.

The forms never overlap on S3's side: with `s3://` it is S3's, with a slash and without that it is a
path. A bare name is a bucket, unless a directory of that name lies here which `pull` wrote.
"""

import os
import re
from pathlib import Path
from typing import Final, TypeAlias

from instep.aws.objects import Objects
from instep.errors import LocationRejected
from instep.snapshot.copy.pulled import PulledVersions, described
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.versions import StoredVersions, Versions

Location: TypeAlias = "str | os.PathLike[str] | Objects"

_SCHEME: Final = "s3://"
_OTHER_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def versions_at(location: Location, collection: str) -> Versions:
    """Return where a collection's versions come from; LocationRejected for what is no location.

    A client of boto3's is made only for a place on S3 that is given as text.
    """
    if isinstance(location, Objects):
        return StoredVersions(SnapshotStore(location, collection))
    if not isinstance(location, str):
        return _in_directory(Path(location), collection)
    if location.startswith(_SCHEME):
        bucket, _, prefix = location.removeprefix(_SCHEME).partition("/")
        return _on_s3(location, bucket, prefix.strip("/"), collection)
    if _OTHER_SCHEME.match(location) or not location:
        raise LocationRejected(location, "is no location")
    if os.sep in location or location in (".", "..", "~") or described(Path(location)) is not None:
        return _in_directory(Path(location), collection)
    return _on_s3(location, location, "", collection)


def _on_s3(location: str, bucket: str, prefix: str, collection: str) -> Versions:
    if _BUCKET.fullmatch(bucket) is None:
        raise LocationRejected(location, f"is no location: {bucket!r} is no bucket's name")
    import boto3

    objects = Objects(boto3.client("s3"), bucket, f"{prefix}/" if prefix else "")
    return StoredVersions(SnapshotStore(objects, collection))


def _in_directory(directory: Path, collection: str) -> Versions:
    directory = directory.expanduser()
    if not directory.is_dir():
        raise LocationRejected(directory, "is no directory")
    return PulledVersions(directory, collection)

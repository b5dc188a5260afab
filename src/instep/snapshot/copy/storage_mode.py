"""Where packs come from: S3 alone, or S3 behind a shared directory on EFS (docs/design.md,
"Storage modes").

The mode chooses a cache and nothing else. S3 stays the truth, a WAL never lies on EFS, and a mode
that cannot be had is S3.
"""

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from secrets import token_hex

from instep.metrics import Metrics
from instep.snapshot.copy.cache import PackCache


class StorageMode(Enum):
    """`EFS` is missed where it is not there; `AUTO` takes it where it is."""

    S3_ONLY = "s3"
    EFS = "efs"
    AUTO = "auto"


@dataclass(frozen=True)
class Chosen:
    """The cache to use, None for S3 alone; `fallback` says why it is not what was asked for."""

    cache: PackCache | None = None
    fallback: str | None = None


def choose_cache(mode: StorageMode, mount: Path | None, metrics: Metrics) -> Chosen:
    """Return the cache of `mode`; `mount` is where the file system should be, None for nowhere.

    A mount that cannot be written counts CompactionCacheFallback and is done without.
    """
    if mode is StorageMode.S3_ONLY or (mode is StorageMode.AUTO and mount is None):
        return Chosen()
    try:
        return Chosen(PackCache(_writable(mount), metrics))
    except OSError as error:
        metrics.count("CompactionCacheFallback")
        return Chosen(fallback=str(error))


def _writable(mount: Path | None) -> Path:
    """Return the folder of packs below the mount, after writing there; the mount is never made."""
    if mount is None:
        raise FileNotFoundError("no file system is mounted: CHROMA_CACHE_ROOT is not set")
    packs = mount / "packs"
    packs.mkdir(exist_ok=True)
    probe = packs / f".probe.{token_hex(4)}"
    os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    probe.unlink()
    return packs

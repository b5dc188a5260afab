"""The environment of a function, typed; each handler reads only its part, once a cold start.

The names are the public contract of docs/domain.md and are set in src/instep/cdk/functions.py.
"""

import os
from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import Final

from botocore.config import Config

from instep.errors import ConfigurationMissing
from instep.flow.pace import Pace
from instep.snapshot.acts.fold_size import Room
from instep.snapshot.acts.retention import Retention

# Short timeouts and few tries here: what lasts longer is the workflow's to retry.
CLIENT: Final = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,
)


def stack_name() -> str:
    """Return the stack's name, which tells its metrics from another's; "none" outside of one."""
    return os.environ.get("STACK_NAME", "none")


def entity_table() -> str:
    """Return the name of the table that is mirrored."""
    return _required("DYNAMODB_TABLE_NAME")


def bucket() -> str:
    """Return the bucket of snapshots, parked batches and the pipeline's own deltas."""
    return _required("CHROMADB_BUCKET")


def delta_buckets() -> list[str]:
    """Return the buckets, besides ours, that a delta may lie in."""
    listed = os.environ.get("DELTA_BUCKETS", "").split(",")
    return [name.strip() for name in listed if name.strip()]


def lock_table() -> str:
    """Return the table of leases and of the runner's item."""
    return _required("LOCK_TABLE_NAME")


def lock_duration() -> timedelta:
    """Return for how long a lease lasts unless renewed."""
    return timedelta(minutes=float(os.environ.get("LOCK_DURATION_MINUTES", "1")))


def pace() -> Pace:
    """Return how far apart rounds start."""
    return Pace(int(os.environ.get("ROUND_SECONDS", "10")))


def heartbeat_interval() -> timedelta:
    """Return how often a working function renews its lease."""
    return timedelta(seconds=float(os.environ.get("HEARTBEAT_INTERVAL_SECONDS", "15")))


def inbox_url() -> str:
    """Return the URL of the inbox queue."""
    return _required("INBOX_QUEUE_URL")


def dlq_url() -> str:
    """Return the URL of the inbox's dead-letter queue."""
    return _required("DLQ_URL")


def event_bus() -> str:
    """Return the name of the bus that starts executions."""
    return _required("EVENT_BUS_NAME")


def stack() -> str:
    """Return the name of the stack, by which its rules know its events."""
    return _required("STACK_NAME")


def retention() -> Retention:
    """Return how much history a sweep leaves."""
    return Retention(int(_required("KEEP_VERSIONS")), timedelta(days=int(_required("KEEP_DAYS"))))


def fold_room() -> Room:
    """Return what the fold's function has, whichever function asks."""
    return Room(int(_required("FOLD_MEMORY_MB")), int(_required("FOLD_STORAGE_MB")))


def chroma_root() -> Path:
    """Return the folder of warm copies, which outlives one call."""
    return Path(os.environ.get("CHROMA_ROOT", "/tmp/chroma"))  # noqa: S108 - Lambda's only one


def scratch_root() -> Path:
    """Return the folder under which a call unpacks what it needs only once."""
    return Path(gettempdir())


def storage_mode() -> str:
    """Return where packs come from: s3, efs or auto."""
    return os.environ.get("CHROMADB_STORAGE_MODE", "s3")


def cache_root() -> Path | None:
    """Return where the shared file system is mounted, None when none is."""
    value = os.environ.get("CHROMA_CACHE_ROOT")
    return Path(value) if value else None


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ConfigurationMissing(
            f"the environment variable {name} is not set: deploy with `instep deploy`, which sets "
            f"it, or see src/instep/cdk/functions.py"
        )
    return value

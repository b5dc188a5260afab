"""The few knobs of a deployment, typed: cdk.json's context, or `cdk deploy -c KEY=VALUE`."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeAlias, get_args

from instep.cdk.context_keys import misspelt

Architecture: TypeAlias = Literal["arm64", "x86_64"]
StorageMode: TypeAlias = Literal["s3", "efs", "auto"]

_STACK_NAME: Final = re.compile("[A-Za-z][A-Za-z0-9-]{0,127}")
_BUCKET: Final = re.compile("[a-z0-9][a-z0-9.-]*")

# CloudWatch's days, under CDK's names.
LOG_RETENTION = {
    1: "ONE_DAY",
    3: "THREE_DAYS",
    5: "FIVE_DAYS",
    7: "ONE_WEEK",
    14: "TWO_WEEKS",
    30: "ONE_MONTH",
    60: "TWO_MONTHS",
    90: "THREE_MONTHS",
    180: "SIX_MONTHS",
    365: "ONE_YEAR",
    731: "TWO_YEARS",
    1827: "FIVE_YEARS",
    3653: "TEN_YEARS",
}


class ConfigRejected(Exception):
    """A context value has no accepted form; the message names the key and the choices."""


@dataclass(frozen=True)
class Config:
    """What a deployment may choose; every field is read by at least one construct."""

    name: str
    """Name of the stack; two stacks with two names live side by side."""
    entity_table_name: str | None
    """An existing table to mirror; None: the app creates one."""
    entity_table_stream_arn: str | None
    """Stream (NEW_AND_OLD_IMAGES) of the existing table."""
    storage_mode: StorageMode
    """Where packs come from; S3 is the truth in every mode."""
    file_system: bool
    """An EFS file system in a VPC as a shared cache: always with efs, if wanted with auto. None on
    the local cloud, which cannot mount one: there the functions miss it and live on S3."""
    schedule_minutes: int
    """Minutes between the starts of the backstop schedule."""
    round_seconds: int
    """Seconds between the starts of two rounds while traffic lasts; 0: back to back."""
    keep_versions: int
    """Versions of a collection that a sweep leaves, whatever their age; HEAD counts."""
    keep_days: int
    """Days for which every version that was the head stays, whatever their number."""
    log_retention_days: int
    """Days the functions' and the workflow's logs are kept."""
    architecture: Architecture
    """Processor of the functions and of the layer's compiled files."""
    local_cloud: bool
    """The one switch: functions start by our bootstrap, with a layer for this machine."""
    retain_data: bool
    """Deleting the stack leaves buckets and tables behind, and the tables are protected."""
    delta_buckets: tuple[str, ...]
    """Buckets of other stacks that embedding deltas may be read from."""

    @classmethod
    def keys(cls) -> frozenset[str]:
        """Return the keys of the context that mean something to us."""
        return frozenset({"domain", "demo", *(_in_context(one.name) for one in fields(cls))})

    @classmethod
    def from_context(cls, get: Callable[[str], Any], given: Iterable[str] = ()) -> "Config":
        """Read each knob with `get(key)`; ConfigRejected names a key of no accepted form, and one
        of those `given` that is spelled much like a knob and is none.

        A value given on the command line arrives as a string, one of cdk.json as JSON.
        """
        for key in given:
            if meant := misspelt(key, cls.keys()):
                raise ConfigRejected(f"there is no key {key!r}: did you mean {meant}?")
        table, stream = get("entityTableName") or None, get("entityTableStreamArn") or None
        if (table is None) != (stream is None):
            raise ConfigRejected(
                "an existing table needs both entityTableName and entityTableStreamArn "
                "(aws dynamodb describe-table shows LatestStreamArn)"
            )
        local = _flag("localCloud", get("localCloud"), default=False)
        mode = _one_of("storageMode", get("storageMode") or "s3", StorageMode)
        return cls(
            name=_stack_name(get("name") or "Instep"),
            entity_table_name=table,
            entity_table_stream_arn=stream,
            storage_mode=mode,
            file_system=_file_system(mode, get("fileSystem")) and not local,
            schedule_minutes=_whole("scheduleMinutes", _given(get("scheduleMinutes"), 5)),
            round_seconds=_whole("roundSeconds", _given(get("roundSeconds"), 10), least=0),
            keep_versions=_whole("keepVersions", _given(get("keepVersions"), 30)),
            keep_days=_whole("keepDays", _given(get("keepDays"), 7)),
            log_retention_days=_log_days(_given(get("logRetentionDays"), 30)),
            architecture=_one_of("architecture", get("architecture") or "arm64", Architecture),
            local_cloud=local,
            retain_data=_flag("retainData", get("retainData"), default=True),
            delta_buckets=_buckets(get("deltaBuckets")),
        )


def _in_context(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _one_of(key: str, value: Any, choices: Any) -> Any:
    if value not in get_args(choices):
        raise ConfigRejected(f"{key} is {value!r}: choose one of {', '.join(get_args(choices))}")
    return value


def _whole(key: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) < least:
        raise ConfigRejected(f"{key} is {value!r}: give a whole number of at least {least}")
    return int(value)


def _given(value: Any, default: int) -> Any:
    return default if value is None else value


def _log_days(value: Any) -> int:
    days = _whole("logRetentionDays", value)
    if days not in LOG_RETENTION:
        choices = ", ".join(map(str, LOG_RETENTION))
        raise ConfigRejected(f"logRetentionDays is {days}: CloudWatch offers {choices}")
    return days


def _flag(key: str, value: Any, *, default: bool) -> bool:
    known = {None: default, True: True, False: False, "true": True, "false": False}
    if not isinstance(value, bool | str | None) or value not in known:
        raise ConfigRejected(f"{key} is {value!r}: give true or false")
    return known[value]


def _file_system(mode: StorageMode, value: Any) -> bool:
    wanted = _flag("fileSystem", value, default=False)
    if wanted and mode == "s3":
        raise ConfigRejected(
            "fileSystem is true and storageMode s3, which would never use it: choose efs or auto"
        )
    return wanted or mode == "efs"


def _stack_name(value: Any) -> str:
    if not isinstance(value, str) or not _STACK_NAME.fullmatch(value):
        raise ConfigRejected(f"name is {value!r}: CloudFormation takes letters, digits and hyphens")
    return value


def _buckets(value: Any) -> tuple[str, ...]:
    listed = value.split(",") if isinstance(value, str) else value or []
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise ConfigRejected(f"deltaBuckets is {value!r}: give a list of buckets' names")
    names = tuple(name.strip() for name in listed if name.strip())
    for name in names:
        if not _BUCKET.fullmatch(name):
            raise ConfigRejected(
                f"deltaBuckets has {name!r}: give a bucket's name alone, without s3:// and prefix"
            )
    return names

"""The few knobs of a deployment, typed: cdk.json's context, or `cdk deploy -c KEY=VALUE`."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeAlias, get_args

from instep.cdk.context_keys import misspelt

Architecture: TypeAlias = Literal["arm64", "x86_64"]
Rollout: TypeAlias = Literal["canary", "linear", "all-at-once"]
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
    entity_table_key_arn: str | None
    """The customer's KMS key that encrypts the existing table; None: one of AWS's."""
    encryption_key_arn: str | None
    """A customer's KMS key for buckets and queues; None: those that S3 and SQS manage."""
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
    """Deleting the stack is refused at first, and leaves buckets, tables and queues behind; a first
    deployment that fails leaves none. False: all of it goes with the stack, objects included."""
    fold_memory: int
    """Megabytes of FoldSnapshot's memory, which holds a collection's whole index."""
    fold_storage: int
    """Gigabytes of its local disk, which holds two copies of each collection."""
    rollout: Rollout
    """How a deploy takes over: a share of the starts first, share by share, or all at once. All
    but the last go back by themselves when an alarm goes off meanwhile."""
    rollout_percent: int
    """The first share, or each."""
    rollout_minutes: int
    """Minutes until the rest, or between two shares."""
    probe_minutes: int
    """Minutes between synthetic changes, which give a deploy something to be judged by; 0: none,
    as on the local cloud, where nothing is rolled out."""
    delta_buckets: tuple[str, ...]
    """Buckets of other stacks that embedding deltas may be read from."""
    alarm_email: str | None
    """Who is told of alarms, beside whoever subscribes to their topic."""
    monthly_budget_usd: int | None
    """Dollars a month from which the account's cost is told of; None: no budget."""

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
        table_key = _key_arn("entityTableKeyArn", get("entityTableKeyArn"))
        if table_key and not table:
            raise ConfigRejected("entityTableKeyArn is the key of an existing table: name that too")
        local = _flag("localCloud", get("localCloud"), default=False)
        minutes = _whole("rolloutMinutes", _given(get("rolloutMinutes"), 10), most=2100)
        mode = _one_of("storageMode", get("storageMode") or "s3", StorageMode)
        return cls(
            name=_stack_name(get("name") or "Instep"),
            entity_table_name=table,
            entity_table_stream_arn=stream,
            entity_table_key_arn=table_key,
            encryption_key_arn=_key_arn("encryptionKeyArn", get("encryptionKeyArn")),
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
            fold_memory=_whole("foldMemory", _given(get("foldMemory"), 1769), 512, 10_240),
            fold_storage=_whole("foldStorage", _given(get("foldStorage"), 10), most=10),
            rollout=_one_of("rollout", get("rollout") or "canary", Rollout),
            rollout_percent=_whole("rolloutPercent", _given(get("rolloutPercent"), 10), most=99),
            rollout_minutes=minutes,
            probe_minutes=0 if local else _probe(get("probeMinutes"), minutes),
            delta_buckets=_buckets(get("deltaBuckets")),
            alarm_email=_address(get("alarmEmail")),
            monthly_budget_usd=_dollars(get("monthlyBudgetUsd")),
        )


def _in_context(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _one_of(key: str, value: Any, choices: Any) -> Any:
    if value not in get_args(choices):
        raise ConfigRejected(f"{key} is {value!r}: choose one of {', '.join(get_args(choices))}")
    return value


def _key_arn(key: str, value: Any) -> str | None:
    if value and not re.fullmatch(r"arn:[^:]+:kms:[^:]+:\d{12}:key/[\w-]+", str(value)):
        raise ConfigRejected(
            f"{key} is {value!r}: give the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID "
            f"(aws kms describe-key shows it; an alias has no rights of its own)"
        )
    return str(value) if value else None


def _whole(key: str, value: Any, least: int = 1, most: int | None = None) -> int:
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) < least:
        raise ConfigRejected(f"{key} is {value!r}: give a whole number of at least {least}")
    if most is not None and int(value) > most:
        raise ConfigRejected(f"{key} is {value!r}: give at most {most}")
    return int(value)


def _probe(value: Any, bake: int) -> int:
    minutes = _whole("probeMinutes", _given(value, 5), least=0)
    if minutes * 2 > bake:
        raise ConfigRejected(
            f"probeMinutes is {minutes} and rolloutMinutes {bake}: a deploy is judged by two "
            f"probes at least, so give half as many, or 0 for none"
        )
    return minutes


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


def _address(value: Any) -> str | None:
    if not value:
        return None
    name, _, host = str(value).partition("@")
    if not name or "." not in host or any(letter.isspace() for letter in str(value)):
        raise ConfigRejected(f"alarmEmail is {value!r}: give one address, such as ops@example.com")
    return str(value)


def _dollars(value: Any) -> int | None:
    return None if value in (None, "") else _whole("monthlyBudgetUsd", value)

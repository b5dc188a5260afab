"""The engine's parts over boto3 clients, made from the settings once a cold start."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import boto3

from instep.aws.objects import Objects
from instep.domain import Domain, Log
from instep.flow.inbox import Inbox
from instep.flow.lease import LeaseTable
from instep.flow.runner import RunnerTable
from instep.flow.starter import Starter
from instep.lambda_ import settings
from instep.metrics import Metrics

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def inbox() -> Inbox:
    """Return the inbox and its DLQ."""
    client = boto3.client("sqs", config=settings.CLIENT)
    return Inbox(client, settings.inbox_url(), settings.dlq_url())


def leases() -> LeaseTable:
    """Return the leases of every collection."""
    client = boto3.client("dynamodb", config=settings.CLIENT)
    return LeaseTable(client, settings.lock_table(), settings.lock_duration())


def runner() -> RunnerTable:
    """Return the one item that says who drains the inbox."""
    client = boto3.client("dynamodb", config=settings.CLIENT)
    pause = timedelta(seconds=settings.pace().seconds)
    return RunnerTable(client, settings.lock_table(), pause)


def starter() -> Starter:
    """Return what announces queued work on the event bus."""
    client = boto3.client("events", config=settings.CLIENT)
    return Starter(runner(), client, settings.event_bus(), settings.stack())


def objects() -> Objects:
    """Return the bucket of snapshots and parked batches."""
    return Objects(boto3.client("s3", config=settings.CLIENT), settings.bucket())


@dataclass(frozen=True)
class Applying:
    """What ApplyUpdates hands a domain in every call."""

    domain: Domain
    objects: Objects
    dynamodb: "DynamoDBClient"
    log: Log
    metrics: Metrics

    @classmethod
    def of(cls, domain: Domain, log: Log, metrics: Metrics) -> "Applying":
        """Make its clients."""
        client = boto3.client("dynamodb", config=settings.CLIENT)
        return cls(domain, objects(), client, log, metrics)

"""The engine's parts over boto3 clients, made from the settings once a cold start."""

from datetime import timedelta

import boto3

from instep.aws.objects import Objects
from instep.flow.inbox import Inbox
from instep.flow.lease import LeaseTable
from instep.flow.runner import RunnerTable
from instep.flow.starter import Starter
from instep.lambda_ import settings


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
    return Starter(runner(), client, settings.event_bus())


def objects() -> Objects:
    """Return the bucket of snapshots and parked batches."""
    return Objects(boto3.client("s3", config=settings.CLIENT), settings.bucket())


def delta_buckets() -> dict[str, Objects]:
    """Return the buckets, besides ours, that an embedding delta may lie in."""
    client = boto3.client("s3", config=settings.CLIENT)
    return {name: Objects(client, name) for name in settings.delta_buckets()}

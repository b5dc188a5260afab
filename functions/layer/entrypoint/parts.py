"""The engine's parts over boto3 clients, made from the settings once a cold start."""

import boto3

from entrypoint import settings
from instep.inbox import Inbox
from instep.lease import LeaseTable
from instep.objects import Objects
from instep.wake import Starter, WakeFlag


def inbox() -> Inbox:
    """Return the inbox and its DLQ."""
    client = boto3.client("sqs", config=settings.CLIENT)
    return Inbox(client, settings.inbox_url(), settings.dlq_url())


def leases() -> LeaseTable:
    """Return the leases of every collection."""
    client = boto3.client("dynamodb", config=settings.CLIENT)
    return LeaseTable(client, settings.lock_table(), settings.lock_duration())


def wake_flag() -> WakeFlag:
    """Return the flag that coalesces starts."""
    return WakeFlag(boto3.client("dynamodb", config=settings.CLIENT), settings.lock_table())


def starter() -> Starter:
    """Return what announces queued work on the event bus."""
    client = boto3.client("events", config=settings.CLIENT)
    return Starter(wake_flag(), client, settings.event_bus())


def objects() -> Objects:
    """Return the bucket of snapshots and parked batches."""
    return Objects(boto3.client("s3", config=settings.CLIENT), settings.bucket())


def delta_buckets() -> dict[str, Objects]:
    """Return the buckets, besides ours, that an embedding delta may lie in."""
    client = boto3.client("s3", config=settings.CLIENT)
    return {name: Objects(client, name) for name in settings.delta_buckets()}

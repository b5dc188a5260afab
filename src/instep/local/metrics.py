"""Read the metrics functions print: MiniStack keeps EMF lines in the logs and counts nothing."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

NAMESPACE = "EmbeddingWorkflow"

_PAGE = 10_000  # the most that one call returns
_NEVER = 253_402_300_799.0  # the last second of the year 9999


def metric_sums(lines: Iterable[str], namespace: str = NAMESPACE) -> Counter[str]:
    """Sum each metric of `namespace` over EMF lines; other lines are passed over."""
    sums: Counter[str] = Counter()
    for line in lines:
        document = emf_document(line)
        if document is None:
            continue
        for directive in document["_aws"].get("CloudWatchMetrics", []):
            if directive.get("Namespace") == namespace:
                for metric in directive.get("Metrics", []):
                    sums[metric["Name"]] += _total(document.get(metric["Name"], 0))
    return sums


def log_lines(
    logs: "CloudWatchLogsClient", group: str, began: float = 0.0, ended: float = _NEVER
) -> list[str]:
    """Return the messages of a log group from one instant to another (epoch seconds), oldest first;
    none when nothing was logged yet. RuntimeError as in `log_events`.
    """
    return [message for _, message in log_events(logs, group, began, ended)]


def log_events(
    logs: "CloudWatchLogsClient", group: str, began: float = 0.0, ended: float = _NEVER
) -> list[tuple[float, str]]:
    """Return when each message was logged (epoch seconds), and the message.

    MiniStack's pages have no token of the next: what follows a full page is asked for by its time.
    RuntimeError is raised when one millisecond fills a page.
    """
    found: list[tuple[float, str]] = []
    since, until = int(began * 1_000), int(ended * 1_000)
    while True:
        try:
            page = logs.filter_log_events(
                logGroupName=group, startTime=since, endTime=until, limit=_PAGE
            )
        except logs.exceptions.ResourceNotFoundException:
            return []
        events = [(event["timestamp"], event["message"]) for event in page["events"]]
        last = events[-1][0] if len(events) == _PAGE else None
        found += [(at / 1_000, message) for at, message in events if last is None or at < last]
        if last is None:
            return found
        if last == since:
            raise RuntimeError(f"{group} has {_PAGE} lines of one millisecond: read it by streams")
        since = last


def emf_document(line: str) -> dict[str, Any] | None:
    """Return a line of metrics as what it holds, None for any other line."""
    if '"_aws"' not in line:
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "_aws" in document else None


def _total(value: Any) -> int:
    return int(sum(value)) if isinstance(value, list) else int(value)

"""Lambda's filter rules, as far as our event source uses them: names, lists of values, prefix."""

from typing import Any

from receipt_dynamo_stream.stream_filter import stream_filters


def lets_through(record: dict[str, Any]) -> bool:
    """Return whether the event source mapping would hand a stream record to ingest."""
    return any(_matches(pattern, record) for pattern in stream_filters())


def _matches(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and _matches(rule, value[name]) for name, rule in pattern.items()
        )
    return any(
        value.startswith(rule["prefix"]) if isinstance(rule, dict) else value == rule
        for rule in pattern
    )

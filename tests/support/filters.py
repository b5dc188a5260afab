"""Lambda's filter rules, as far as our event source uses them: names, lists of values, prefix,
`exists` of a leaf (whatever lies above it may be missing too), and anything-but.
"""

from typing import Any

from receipt_dynamo_stream.stream_filter import stream_filters


def lets_through(record: dict[str, Any]) -> bool:
    """Return whether the event source mapping would hand a stream record to ingest."""
    return any(_matches(pattern, record) for pattern in stream_filters())


def _matches(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, dict):
        inside = value if isinstance(value, dict) else {}
        return all(_matches(rule, inside.get(name)) for name, rule in pattern.items())
    return any(_agrees(rule, value) for rule in pattern)


def _agrees(rule: Any, value: Any) -> bool:
    match rule:
        case {"prefix": prefix}:
            return isinstance(value, str) and value.startswith(prefix)
        case {"exists": wanted}:
            return (value is not None) is wanted
        case {"anything-but": unwanted}:
            return value is not None and value not in unwanted
    return bool(value == rule)

"""What the deployed functions say of themselves: one JSON line a fact, read back as values."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from benchmarks.window import Window
from instep.costs.prices import LOG_OVERHEAD_BYTES
from instep.local.metrics import log_lines
from instep.local.target import Target

_NAMED = "Instep: "  # how a function's description begins


@dataclass(frozen=True)
class Line:
    """One line of a call: at an instant (epoch seconds), of an execution ("" outside of one)."""

    function: str
    at: float
    message: str
    execution: str
    request: str
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, function: str, text: str) -> "Line | None":
        """Read a line; None for what is none of ours, such as Lambda's own START and REPORT."""
        if not text.startswith("{") or '"message"' not in text:
            return None
        fields = json.loads(text)
        return cls(
            function,
            datetime.strptime(fields["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").timestamp(),
            str(fields["message"]),
            str(fields.get("correlation_id") or ""),
            str(fields.get("function_request_id", "")),
            fields,
        )


@dataclass(frozen=True)
class FunctionLogs:
    """The functions of a deployment by the names of their folders, and their log groups; `stack`
    tells it from others on the same cloud.
    """

    target: Target
    stack: str = ""

    @cached_property
    def functions(self) -> dict[str, dict[str, Any]]:
        """Map name to the function's configuration."""
        pages = self.target.client("lambda").get_paginator("list_functions").paginate()
        found = [function for page in pages for function in page["Functions"]]
        return {
            function["Description"].removeprefix(_NAMED): function
            for function in found
            if function.get("Description", "").startswith(_NAMED)
            and function["FunctionName"].startswith(self.stack)
        }

    def texts(self, name: str, within: Window | None = None) -> list[str]:
        """Return every log line of a function, whoever wrote it, oldest first."""
        bounds = (within.began, within.ended) if within else ()
        return log_lines(self.target.client("logs"), self.group(name), *bounds)

    def logged_bytes(self, name: str, within: Window) -> int:
        """Return the bytes of a function's log events, counted as CloudWatch Logs does."""
        return sum(len(line.encode()) + LOG_OVERHEAD_BYTES for line in self.texts(name, within))

    def lines(self, name: str, message: str, since: float = 0.0) -> Iterator[Line]:
        """Yield the function's lines of this message from the instant `since` on."""
        for text in self.texts(name):
            if f'"{message}"' in text:
                line = Line.read(name, text)
                if line is not None and line.message == message and line.at >= since:
                    yield line

    def group(self, name: str) -> str:
        """Return the name of a function's log group."""
        function = self.functions[name]
        usual = f"/aws/lambda/{function['FunctionName']}"
        group: str = function.get("LoggingConfig", {}).get("LogGroup", usual)
        return group

    def calls(self, since: float = 0.0) -> list[Line]:
        """Return the end of every function's every call since then: `ms`, `peak_memory_mb`."""
        return [line for name in self.functions for line in self.lines(name, "Call ended", since)]

    def peaks(self, since: float = 0.0) -> dict[str, float]:
        """Return the most memory that each function called since then had needed, in MB.

        A process tells the most it ever needed: of a warm one that may lie before `since`.
        """
        peaks: dict[str, float] = {}
        for call in self.calls(since):
            peaks[call.function] = max(peaks.get(call.function, 0.0), call.fields["peak_memory_mb"])
        return peaks

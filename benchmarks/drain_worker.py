"""One call of one function in a process of its own, as Lambda would make it: its peak memory is the
function's, and nothing of what measures it is in there.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

from instep.local.environment import client_environment
from instep.memory import peak_memory_mb

_ROOT = Path(__file__).parents[1]
_TIMEOUT_SECONDS = 600
_LEFT_MS = 300_000


@dataclass(frozen=True)
class Call:
    """What a call returned, how long it took, and the most memory its process held."""

    answer: dict[str, Any]
    seconds: float
    peak_mb: float


class CallFailed(Exception):
    """The function raised, or its process died; what it printed follows."""


def call(
    function: str,
    event: Mapping[str, Any],
    endpoint: str,
    variables: Mapping[str, str],
    scratch: Path,
) -> Call:
    """Call a function by a fresh process with these variables; its files lie under `scratch`."""
    place = scratch / f"call-{uuid4().hex}"
    place.mkdir(parents=True)
    (place / "event.json").write_text(json.dumps(event))
    sources = f"{_ROOT / 'src'}:{_ROOT / 'receipts'}"
    done = subprocess.run(  # noqa: S603 - this module
        [sys.executable, "-m", __name__, function, str(place)],
        env=client_environment(endpoint)
        | {"PYTHONPATH": f"{sources}:{_ROOT}", "POWERTOOLS_TRACE_DISABLED": "true"}
        | dict(variables),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise CallFailed(f"{function}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Call(**json.loads((place / "call.json").read_text()))


@dataclass(frozen=True)
class _Context:
    """What Lambda tells a handler of its call."""

    function_name: str
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:bench"
    aws_request_id: str = "bench"

    def get_remaining_time_in_millis(self) -> int:
        return _LEFT_MS


def main(function: str, place: Path) -> None:
    """Load the handler as at a cold start, call it once, and write what came of it."""
    spec = spec_from_file_location(function, _ROOT / "functions" / function / "handler.py")
    if spec is None or spec.loader is None:
        raise CallFailed(function)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    event = json.loads((place / "event.json").read_text())
    start = perf_counter()
    answer = module.handle(event, _Context(function))
    made = Call(answer, perf_counter() - start, peak_memory_mb())
    (place / "call.json").write_text(json.dumps(asdict(made)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

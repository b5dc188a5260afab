"""Run a locked program and hand back what it said."""

import subprocess
from pathlib import Path


def run(*command: str | Path, path: str) -> subprocess.CompletedProcess[str]:
    """Run in an environment that holds nothing but this PATH."""
    return subprocess.run(  # noqa: S603 - programs of our locks, no shell
        command, env={"PATH": path}, capture_output=True, text=True, check=False
    )

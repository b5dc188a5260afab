"""For which machine and Python a tree is made, and its bytecode: never checked against its source,
because /opt cannot be written to, and without bytecode every cold start would compile anew.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_COMPILE = """
import compileall, py_compile, sys
ok = compileall.compile_dir(sys.argv[1], stripdir=sys.argv[1], quiet=2,
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
sys.exit(0 if ok else 1)
"""


class ToolFailed(Exception):
    """A tool of the build failed; the message holds what it printed."""


@dataclass(frozen=True)
class Target:
    """Where a tree will run."""

    machine: str
    """`aarch64` or `x86_64`."""
    python: str
    """Major and minor version, such as `3.13`."""

    @property
    def name(self) -> str:
        """Short name for a folder; no dot, for CDK takes what follows one for a file's ending."""
        return f"{self.machine}-py{self.python.replace('.', '')}"

    @cached_property
    def interpreter(self) -> str | None:
        """A Python of exactly this version on this machine: only that one writes its bytecode."""
        if self.python == f"{sys.version_info.major}.{sys.version_info.minor}":
            return sys.executable
        for candidate in (f"python{self.python}", *_pyenv(self.python)):
            found = shutil.which(candidate)
            if found and _version_of(found) == self.python:
                return found
        return None


def compile_tree(tree: Path, target: Target) -> bool:
    """Write the target's bytecode beside each source; False when no such Python is installed."""
    if target.interpreter is None:
        return False
    run_tool([target.interpreter, "-I", "-c", _COMPILE, str(tree)])
    return True


def run_tool(command: list[str], **environment: str) -> None:
    """Run one of our tools; ToolFailed holds what it printed."""
    done = subprocess.run(  # noqa: S603 - our own tools, no shell
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ToolFailed(f"{' '.join(command[:5])} ...: {done.stderr or done.stdout}")


def _pyenv(version: str) -> list[str]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [str(found) for found in sorted(root.glob(f"versions/{version}.*/bin/python"))]


def _version_of(interpreter: str) -> str | None:
    done = subprocess.run(  # noqa: S603 - an interpreter found by name, no shell
        [interpreter, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None

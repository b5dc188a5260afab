"""The wheel, built and installed into a virtual environment of its own, where this repository is
nowhere to be found: beside the locked packages alone.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import chromadb
import pytest

from tests.support.marks import ROOT

LOCKED = Path(chromadb.__file__).parents[1]
LINK = "locked.pth"  # what such a file names is searched, but not for further such files


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel in it."""

    folder: Path

    @property
    def programs(self) -> Path:
        """Where `python` and `instep` lie."""
        return self.folder / "bin"

    @property
    def packages(self) -> Path:
        """Where packages lie."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def run(
        self, *command: str | Path, within: Path, path: str = "", **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program of the environment in a folder, with nothing of this process's own."""
        program, *arguments = command
        return subprocess.run(  # noqa: S603 - our own programs, no shell
            [self.programs / program, *arguments],
            cwd=within,
            env={
                "PATH": os.pathsep.join([str(self.programs), *filter(None, [path]), "/usr/bin"]),
                "HOME": str(within),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def python(self, code: str, *, within: Path) -> str:
        """Run code and return what it printed."""
        done = self.run("python", "-c", code, within=within)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    made = Installed(tmp_path_factory.mktemp("venv") / "venv")
    _run(sys.executable, "-m", "venv", "--without-pip", made.folder)
    pip = (sys.executable, "-m", "pip", "--isolated", "--python", made.programs / "python")
    _run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (made.packages / LINK).write_text(f"{LOCKED}\n")
    return made


def _run(*command: str | Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own programs, no shell
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""What goes into a function: its code, our library, the locked dependencies. Folders on disk, so
that the constructs take folders and a test may hand them its own.
"""

import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from stacks.config import Config
from stacks.dependencies import Target, build_dependencies

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ("entrypoint", "instep", "receipt_chroma", "receipt_dynamo_stream")
RUNTIME_PYTHON = "3.13"  # the managed runtime's; supported until the middle of 2029


@dataclass(frozen=True)
class Packages:
    """Folders ready to be zipped."""

    dependencies: Path
    """Holds python/: everything of requirements/lambda.txt, for the target's machine. Its name is
    the hash of what it was made of."""
    library: Path
    """Holds python/: our own packages."""
    functions: Path
    """Holds a folder a function: its handler.py, and on the local cloud its `bootstrap`."""


def target(config: Config) -> Target:
    """Return the machine and Python for which the functions of this deployment are packed."""
    if config.local_cloud:
        return Target(platform.machine(), f"{sys.version_info.major}.{sys.version_info.minor}")
    machine = {"arm64": "aarch64", "x86_64": "x86_64"}[config.architecture]
    return Target(machine, RUNTIME_PYTHON)


def build_packages(config: Config, root: Path = ROOT) -> Packages:
    """Make, or find in .build/, the folders of this deployment. Fetches only for a new lock."""
    build = root / ".build"
    return Packages(
        dependencies=build_dependencies(
            root / "requirements" / "lambda.txt", target(config), build
        ),
        library=stage_library(root, build / "library"),
        functions=stage_functions(root, build / "local")
        if config.local_cloud
        else root / "functions",
    )


def stage_library(root: Path, staged: Path) -> Path:
    """Copy our packages under `staged`/python, without caches; return `staged`."""
    shutil.rmtree(staged, ignore_errors=True)
    for package in LIBRARY:
        source = root / "functions" / "layer" / package
        if not source.is_dir():
            continue
        shutil.copytree(source, staged / "python" / package, ignore=_caches)
    return staged


def stage_functions(root: Path, staged: Path) -> Path:
    """Put the local cloud's bootstrap beside each handler, under `staged`; return `staged`."""
    shutil.rmtree(staged, ignore_errors=True)
    bootstrap = root / "tools" / "local_cloud" / "bootstrap"
    for source in sorted((root / "functions").iterdir()):
        if source.name != "layer":
            shutil.copytree(source, staged / source.name, ignore=_caches)
            shutil.copy(bootstrap, staged / source.name / "bootstrap")
            (staged / source.name / "bootstrap").chmod(0o755)
    return staged


_caches = shutil.ignore_patterns("__pycache__", "*.pyc")

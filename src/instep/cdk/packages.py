"""What goes into a function: its code, our library, the locked dependencies. Folders on disk, so
that the constructs take folders and a test may hand them its own.

Each folder is named by what it was made of and never changed afterwards: a deployment on the local
cloud runs from it while the next one is being synthesized.
"""

import hashlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from instep.cdk.bytecode import Target, compile_tree
from instep.cdk.config import Config
from instep.cdk.dependencies import build_dependencies

ENGINE = Path(__file__).resolve().parents[1]
ROOT = ENGINE.parents[1]
RUNTIME_PYTHON = "3.13"  # the managed runtime's; supported until the middle of 2029


@dataclass(frozen=True)
class Packages:
    """Folders ready to be zipped; the name of each is a hash of its sources."""

    dependencies: Path
    """Holds python/: everything of requirements/lambda.txt, for the target."""
    library: Path
    """Holds python/: our own packages."""
    functions: Path
    """Holds a folder a function: its handler.py, and on the local cloud its `bootstrap`."""


def target_of(config: Config) -> Target:
    """Return the machine and Python for which the functions of this deployment are packed."""
    if config.local_cloud:
        return Target(platform.machine(), f"{sys.version_info.major}.{sys.version_info.minor}")
    machine = {"arm64": "aarch64", "x86_64": "x86_64"}[config.architecture]
    return Target(machine, RUNTIME_PYTHON)


def build_packages(config: Config, root: Path = ROOT) -> Packages:
    """Make, or find in .build/, the folders of this deployment. Fetches only for a new lock."""
    build, target = root / ".build", target_of(config)
    return Packages(
        dependencies=build_dependencies(root / "requirements" / "lambda.txt", target, build),
        library=stage_library(packages_of(root), target, build),
        functions=stage_functions(root, build, local=config.local_cloud),
    )


def packages_of(root: Path) -> list[Path]:
    """Return the folders of the packages that functions import: the engine, and the domain's."""
    return [ENGINE, *sorted(path.parent for path in (root / "receipts").glob("*/__init__.py"))]


def stage_library(packages: Sequence[Path], target: Target, build: Path) -> Path:
    """Copy packages under one python/ folder, compiled for `target`; return its parent."""

    def fill(folder: Path) -> None:
        for package in packages:
            shutil.copytree(package, folder / "python" / package.name, ignore=_of_a_laptop)
        compile_tree(folder / "python", target)

    return _staged(build / "library", f"{target.name}-{content_hash(*packages)}", fill)


def stage_functions(root: Path, build: Path, *, local: bool) -> Path:
    """Copy each handler into a folder of its own, with the local cloud's bootstrap if `local`."""
    bootstrap = ENGINE / "local" / "bootstrap"
    handlers = sorted((root / "functions").glob("*/handler.py"))

    def fill(folder: Path) -> None:
        for handler in handlers:
            code = folder / handler.parent.name
            shutil.copytree(handler.parent, code, ignore=_caches)
            if local:
                shutil.copy(bootstrap, code / "bootstrap")
                (code / "bootstrap").chmod(0o755)

    sources = [*(handler.parent for handler in handlers), *([bootstrap] if local else [])]
    return _staged(build / "functions", content_hash(*sources), fill)


def content_hash(*sources: Path) -> str:
    """Return a hash over the names and bytes of these files and folders, without caches."""
    digest = hashlib.sha256()
    for source in sources:
        files = [source] if source.is_file() else sorted(source.rglob("*"))
        for path in files:
            if path.is_file() and "__pycache__" not in path.parts:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(source.parent)}\0{content}\n".encode())
    return digest.hexdigest()[:16]


def _staged(parent: Path, key: str, fill: Callable[[Path], None]) -> Path:
    finished = parent / key
    if not finished.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent) as scratch:
            folder = Path(scratch) / "made"
            folder.mkdir()
            fill(folder)
            if not finished.is_dir():  # else another process was faster
                folder.rename(finished)
    return finished


_of_a_laptop = shutil.ignore_patterns("__pycache__", "*.pyc", "cdk", "cli", "local", "mcp", "demo")
_caches = shutil.ignore_patterns("__pycache__", "*.pyc")

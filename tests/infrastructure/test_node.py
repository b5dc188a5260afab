"""Our own Node: installed once a lock, found before any other, and free of registry hosts."""

import json
import re
from pathlib import Path

from instep.cdk.node import (
    LOCKED,
    ensure_node_modules,
    jsii_environment,
    node_binary,
    path_with_node,
)
from tests.infrastructure.programs import run
from tests.support.marks import ROOT


def test_a_second_call_installs_nothing() -> None:
    first = ensure_node_modules(ROOT / ".build")
    made = first.stat().st_ctime_ns
    assert ensure_node_modules(ROOT / ".build") == first
    assert first.stat().st_ctime_ns == made


def test_the_cli_is_the_locked_one_and_runs_on_our_node() -> None:
    programs = ensure_node_modules(ROOT / ".build")
    wanted = json.loads((LOCKED / "package.json").read_text())["devDependencies"]["aws-cdk"]
    done = run(programs / "cdk", "--version", path=str(programs))
    assert done.stdout.startswith(wanted), done.stderr
    assert (programs / "node").resolve() == node_binary().resolve()


def test_ours_is_found_first() -> None:
    programs = ensure_node_modules(ROOT / ".build")
    assert path_with_node(programs).split(":")[0] == str(programs)
    assert Path(jsii_environment()["JSII_NODE"]).is_file()


def test_locks_name_no_registry() -> None:
    lock = (LOCKED / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert not re.findall(r"https?://[^\"]*registry[^\"]*", lock)
    for path in [LOCKED / "lambda.txt", *(ROOT / "requirements").glob("*.txt")]:
        assert "://" not in path.read_text()

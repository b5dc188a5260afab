"""Our own Node: installed once a lock, found before any other, and free of registry hosts."""

import json
import re
from pathlib import Path

from instep.cdk.node import ensure_node_modules, jsii_environment, node_binary, path_with_node
from instep.cdk.packages import ROOT
from tests.infrastructure.programs import run


def test_a_second_call_installs_nothing() -> None:
    first = ensure_node_modules(ROOT)
    made = first.stat().st_ctime_ns
    assert ensure_node_modules(ROOT) == first
    assert first.stat().st_ctime_ns == made


def test_the_cli_is_the_locked_one_and_runs_on_our_node() -> None:
    programs = ensure_node_modules(ROOT)
    wanted = json.loads((ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"]
    done = run(programs / "cdk", "--version", path=str(programs))
    assert done.stdout.startswith(wanted), done.stderr
    assert (programs / "node").resolve() == node_binary().resolve()


def test_ours_is_found_first() -> None:
    programs = ensure_node_modules(ROOT)
    assert path_with_node(programs).split(":")[0] == str(programs)
    assert Path(jsii_environment()["JSII_NODE"]).is_file()


def test_locks_name_no_registry() -> None:
    lock = (ROOT / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert not re.findall(r"https?://[^\"]*registry[^\"]*", lock)
    for name in ("lambda.txt", "dev.txt"):
        assert "://" not in (ROOT / "requirements" / name).read_text()

"""A cloud that was killed cleans nothing up: who wants it gone finds and removes the rest."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from os import getpgid, kill, killpg
from pathlib import Path

import pytest
from typer.testing import CliRunner

from instep.cli.app import app
from instep.local.launcher import LocalCloud
from tests.support.cloud import eventually

SERVER = """
import subprocess, sys
function = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(function.pid, flush=True)
function.wait()
"""


def left_by(pid: int, state: Path, started: str = "1") -> Path:
    (state / "s3").mkdir(parents=True)
    (state / "s3" / "object").write_text("x" * 1000)
    cloud = LocalCloud("http://127.0.0.1:1", pid, started, str(state))
    (state / "cloud.json").write_text(json.dumps(asdict(cloud)))
    assert LocalCloud.running(state) is None
    return state


@pytest.fixture
def orphan() -> Iterator[tuple[int, int]]:
    """A server that was killed, and its function, which goes on."""
    server = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert server.stdout is not None
    function = int(server.stdout.readline())
    kill(server.pid, signal.SIGKILL)
    server.wait()
    yield server.pid, function
    server.stdout.close()
    with suppress(ProcessLookupError):
        killpg(server.pid, signal.SIGKILL)


def test_its_functions_end_and_its_files_go(orphan: tuple[int, int], tmp_path: Path) -> None:
    server, function = orphan
    assert getpgid(function) == server
    state = left_by(server, tmp_path / "state")
    assert LocalCloud.clear(state)
    eventually(lambda: not _runs(function), "the function's process ends")
    assert not state.exists()
    assert not LocalCloud.clear(state)


def test_who_has_its_number_by_now_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        assert LocalCloud.clear(left_by(stranger.pid, tmp_path / "state"))
        assert stranger.poll() is None
    finally:
        stranger.communicate(b"\n")


def test_down_says_what_it_did(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cdk.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    gone.wait()
    state = left_by(gone.pid, tmp_path / ".instep" / "cloud")
    first, again = (CliRunner().invoke(app, ["down"]) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "what was left of it is removed" in first.stdout
    assert again.stdout == "nothing runs here\n"
    assert not state.exists()


def _runs(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped by whoever adopted it does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] not in "ZX"

"""The local cloud starts on loopback only, and leaves neither process nor file."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from instep.local.guard import EndpointNotLocal
from instep.local.launcher import CloudRunning, LocalCloud
from instep.local.target import Target
from tests.support.cloud import HandMadeFunction, eventually

ROOT = Path(__file__).resolve().parents[3]
WHO = "import os\ndef handle(event, context):\n    return os.getpid()\n"


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def listeners(pids: set[int]) -> set[str]:
    """Addresses that processes listen on, in the kernel's hexadecimal."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since it was listed
                name = str(link.readlink())
                if name.startswith("socket:["):
                    inodes.add(name[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].split(":")[0])
    return found


def test_it_listens_on_loopback_and_nowhere_else(running: tuple[LocalCloud, object]) -> None:
    assert listeners({running[0].pid}) == {"0100007F"}


def test_stop_ends_its_functions_and_removes_its_files(tmp_path: Path) -> None:
    state = tmp_path / "state"
    cloud = LocalCloud.start(state, tied=True)
    function = HandMadeFunction.deploy(Target.of(cloud), "who", WHO).call().payload
    assert alive(function)
    assert LocalCloud.running(state) == cloud

    cloud.stop()
    cloud.stop()  # safe to repeat

    eventually(lambda: not alive(function), "the function's process ends")
    assert not alive(cloud.pid)
    assert not state.exists()
    assert LocalCloud.running(state) is None


def test_a_second_start_from_one_state_folder_is_refused(tmp_path: Path) -> None:
    cloud = LocalCloud.start(tmp_path / "state", tied=True)
    try:
        with pytest.raises(CloudRunning, match="instep down"):
            LocalCloud.start(tmp_path / "state", tied=True)
        assert cloud.alive
    finally:
        cloud.stop()


def test_it_dies_with_a_starter_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, threading; from pathlib import Path\n"
        "from instep.local.launcher import LocalCloud\n"
        "print(LocalCloud.start(Path(sys.argv[1]), tied=True).pid, flush=True)\n"
        "threading.Event().wait()\n"
    )
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(tmp_path / "state")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)
    eventually(lambda: not alive(pid), "the cloud ends after its starter")


def test_a_record_of_a_process_that_is_gone_is_no_running_cloud(tmp_path: Path) -> None:
    """Another process may have the number by now: the start time tells, and it is left alone."""
    stranger = LocalCloud("http://127.0.0.1:9", os.getpid(), "1", str(tmp_path / "gone"))
    stranger.stop()  # would end this test run
    assert not stranger.alive


def test_functions_are_never_pointed_away_from_this_machine(tmp_path: Path) -> None:
    with pytest.raises(EndpointNotLocal, match="leaves this machine"):
        LocalCloud.start(tmp_path, functions_endpoint="https://s3.amazonaws.com")


def test_nothing_of_the_users_aws_settings_reaches_the_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:3128")
    monkeypatch.setenv("SECRET_OF_THE_USER", "yes")
    cloud = LocalCloud.start(tmp_path / "state", tied=True)
    try:
        server = Path(f"/proc/{cloud.pid}/environ").read_text().split("\0")
        assert not {entry.split("=")[0] for entry in server} & {
            "AWS_PROFILE",
            "AWS_SESSION_TOKEN",
            "HTTPS_PROXY",
            "SECRET_OF_THE_USER",
        }
        assert "AWS_PROFILE" not in cloud.env()
        assert "HTTPS_PROXY" not in cloud.env()
        assert cloud.env()["AWS_ENDPOINT_URL"] == cloud.endpoint
    finally:
        cloud.stop()


def test_a_taken_port_is_not_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between finding a free port and binding it another program may come first."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1]])
        free = __import__("instep.local.launcher", fromlist=["_free_port"])._free_port
        monkeypatch.setattr("instep.local.launcher._free_port", lambda: next(ports, None) or free())
        cloud = LocalCloud.start(tmp_path / "state", tied=True)
    try:
        assert cloud.alive
    finally:
        cloud.stop()

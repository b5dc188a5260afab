"""Functions run as on AWS: real error names, timeouts and crashes, and only what is in the layer.

The engine's reactions stand on these names (src/instep/local/bootstrap, AWS's own awslambdaric).
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from instep.local.runtime import BOOTSTRAP
from instep.local.target import Target
from tests.support.cloud import HandMadeFunction

SOURCE = """
import os, sys, threading

class LockBusy(Exception):
    pass

def handle(event, context):
    match event.get("do"):
        case "raise":
            raise LockBusy("held by another")
        case "hang":
            threading.Event().wait(60)
        case "exit":
            os._exit(3)
        case "import":
            __import__(event["module"])
    return {"tmp": os.environ["TMPDIR"], "path": sys.path, "environ": dict(os.environ)}
"""


@pytest.fixture(scope="module")
def echo(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HandMadeFunction]:
    layer = tmp_path_factory.mktemp("layer")
    (layer / "only_in_the_layer.py").write_text("")
    yield HandMadeFunction.deploy(target, "echo", SOURCE, layers=str(layer))
    target.client("lambda").delete_function(FunctionName="echo")


def test_an_exception_keeps_its_bare_class_name(echo: HandMadeFunction) -> None:
    answer = echo.call(do="raise")
    assert answer.error == "LockBusy"
    assert answer.payload["errorMessage"] == "held by another"


def test_a_timeout_and_a_crash_have_the_names_of_aws(echo: HandMadeFunction) -> None:
    with echo.within(1):
        assert echo.call(do="hang").error == "Sandbox.Timedout"
    assert echo.call(do="exit").error == "Runtime.ExitError"
    assert echo.call().error is None  # and the next call gets a process of its own


def test_only_task_root_layers_and_runtime_client_can_be_imported(echo: HandMadeFunction) -> None:
    assert echo.call(do="import", module="only_in_the_layer").error is None
    assert echo.call(do="import", module="pytest").error == "ModuleNotFoundError"
    assert echo.call(do="import", module="boto3").error == "ModuleNotFoundError"


def test_a_process_has_a_scratch_folder_of_its_own(echo: HandMadeFunction) -> None:
    first = echo.call().payload
    echo.call(do="exit")
    second = echo.call().payload
    assert first["tmp"] != second["tmp"]
    assert first["environ"]["CHROMA_ROOT"] == f"{first['tmp']}/chroma"


def bootstrapped(environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own program
        [str(BOOTSTRAP)],
        env={"PATH": os.defpath, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"AWS_ENDPOINT_URL": ""},
        {"AWS_ENDPOINT_URL": "https://s3.eu-west-1.amazonaws.com"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1.example.com:4566"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566@example.com/"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_S3": "https://example.com"},
    ],
)
def test_it_refuses_to_start_unless_the_cloud_is_this_machine(
    environ: dict[str, str], tmp_path: Path
) -> None:
    done = bootstrapped({**environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 1
    assert "refuses to start" in done.stderr
    assert not list(tmp_path.iterdir())

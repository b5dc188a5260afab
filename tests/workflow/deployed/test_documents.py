"""Every command of the runbook and of docs/operating.md is typed, on the deployed app, in the order
of the page: none is a wrong call, and none fails for another reason than that the answer is no.
"""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from instep.aws.objects import Objects
from instep.cli.app import app as command_line
from instep.cli.output import Exit
from instep.local.guard import ENDPOINT
from instep.snapshot.copy.store import SnapshotStore
from tests.support.deployed import DeployedApp
from tests.support.receipts import Receipt

ROOT = Path(__file__).parents[3]
RECEIPT = Receipt("documents", words=2)
ELSEWHERE = {
    "deploy": "tests/workflow/conftest.py deploys, and test_said_beforehand.py",
    "watch": "tests/unit/cli/test_trouble.py: it ends by Ctrl-C only",
    "smoke": "test_examples.py: of a receipt no copy makes an embedding by itself",
    "check": "tests/unit/cli/test_check.py: receipts have no instep.toml",
}
DESTROYS = "instep destroy --aws"  # test_said_beforehand.py: a stack of its own


def commands() -> list[str]:
    """The commands of both pages, each once, without what the shell does not read."""
    found: dict[str, None] = {}
    for page in ("runbook.md", "operating.md"):
        text = (ROOT / "docs" / page).read_text()
        for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
            typed = (line.partition("  #")[0].strip() for line in block.splitlines())
            found |= dict.fromkeys(line for line in typed if line.startswith("instep "))
    return list(found)


COMMANDS = commands()


def test_the_commands_that_are_typed_elsewhere_are_in_the_pages() -> None:
    assert set(ELSEWHERE) <= {command.split()[1] for command in COMMANDS}


def test_every_command_does_what_it_says(
    app: DeployedApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app.seed(RECEIPT)
    before = version_of(app)
    app.change(RECEIPT.label(1, "TOTAL", "VALID"))
    assert app.run().outcome.succeeded
    monkeypatch.setenv(ENDPOINT, app.target.environ[ENDPOINT])
    now = version_of(app)
    said = {"VERSION-BEFORE": before, "VERSION": now, "backup/": str(tmp_path / "copy")}
    with app.triggers():
        for command in COMMANDS:
            name, *arguments = shlex.split(command)[1:]
            if name in ELSEWHERE or command == DESTROYS:
                continue
            meant = said | {"VERSION": before} if name == "rollback" else said
            given = [
                "words" if each in {"COLLECTION", "products"} else meant.get(each, each)
                for each in arguments
                if each != "--aws"  # here all of it is on this machine
            ]
            if name == "wait":  # the table is shared: what another test left may never come
                given += ["--timeout", "20"]
            done = CliRunner().invoke(command_line, [name, *given], input="Instep\n")
            assert done.exit_code in {Exit.DONE, Exit.NO}, f"{command}\n{done.output}"
            if name == "rollback":  # both pages say so: until then `wait` waits
                done = CliRunner().invoke(command_line, ["sync"])
                assert done.exit_code in {Exit.DONE, Exit.NO}, done.output
    app.drained()


def version_of(app: DeployedApp) -> str:
    objects = Objects(app.target.client("s3"), app.deployment.chromadb_bucket)
    head = SnapshotStore(objects, "words").head()
    assert head is not None
    return head.version

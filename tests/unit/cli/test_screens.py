"""What a new user sees of `status`, `run`, `verify` and `history`, on a narrow terminal, on a wide
one and in a pipe: nothing that matters is cut on any of them.
"""

import json
import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from instep.cli import output
from instep.flow.envelope import Rejection
from instep.flow.inbox import Inbox
from tests.support.aws import LOCKS
from tests.unit.cli.conftest import WORD_ID, Cli

OWNER = "a3f1c2d4-0000-4000-8000-1234567890ab_5e6f7a8b-1111-4111-9111-abcdefabcdef"
REASON = "the record's NewImage has no TYPE, so that nobody can say which collection it feeds"

Screen = Callable[..., str]


@pytest.fixture(params=[80, 160, None], ids=["80", "160", "pipe"])
def width(request: pytest.FixtureRequest) -> int | None:
    found: int | None = request.param
    return found


@pytest.fixture
def screen(cli: Cli, width: int | None, monkeypatch: pytest.MonkeyPatch) -> Screen:
    """What a command shows; where there is a terminal, both streams are on it."""

    def show(*arguments: str, given: str | None = None) -> str:
        terminal = StringIO()
        for name in ("answers", "remarks"):
            console: Any = getattr(output, name)
            monkeypatch.setattr(console, "_file", terminal)
            monkeypatch.setattr(console, "_force_terminal", width is not None)
            monkeypatch.setattr(console, "_width", width)
            monkeypatch.setattr(console, "_height", 50)
        result = cli.run(*arguments, given=given)
        assert result.exit_code in {0, 1}, (result.output, terminal.getvalue())
        return terminal.getvalue()

    return show


def words(shown: str) -> str:
    """The text without what a terminal makes of it: colours, moves, and the folding of cells."""
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", shown)


def folded(shown: str) -> str:
    """The same without blanks, in which a cell's rows, if it stands alone, are one again."""
    return re.sub(r"\s", "", words(shown))


def require_fits(shown: str, width: int | None) -> None:
    """No line of a table is longer than the terminal is wide; and none is cut."""
    assert "…" not in shown
    lines = words(shown).splitlines()
    tables = [line for line in lines if OWNER not in line]  # such a line the terminal wraps
    assert max(map(len, tables)) <= (width or 10_000)
    if width is None:
        assert "\x1b" not in shown


@pytest.mark.usefixtures("heads")
def test_status(cli: Cli, screen: Screen, width: int | None) -> None:
    version = cli.json("status")["collections"][1]["version"]
    cli.made.dynamodb.update_item(
        TableName=LOCKS,
        Key={"collection": {"S": "words"}},
        UpdateExpression="SET #o = :o, expires_at = :e",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":o": {"S": OWNER}, ":e": {"N": "4102444800"}},
    )
    inbox = Inbox(cli.made.sqs, cli.made.inbox_url, cli.made.dlq_url)
    inbox.reject([Rejection({"dynamodb": {}}, REASON)], "run")
    shown = screen("status")
    require_fits(shown, width)
    assert REASON in " ".join(words(shown).split())
    assert version in words(shown)
    assert f"words: leased by {OWNER} for" in " ".join(words(shown).split())
    assert "DLQ: 1" in words(shown)


@pytest.mark.usefixtures("heads")
def test_history(cli: Cli, screen: Screen, width: int | None) -> None:
    version = cli.json("status")["collections"][1]["version"]
    shown = screen("history", "words")
    require_fits(shown, width)
    assert version in words(shown)
    assert "HEAD" in words(shown)


def test_verify(
    cli: Cli, screen: Screen, heads: dict[str, dict[str, dict[str, Any]]], width: int | None
) -> None:
    heads["words"][WORD_ID]["merchant_name"] = "Another Shop"
    cli.publish("words", heads["words"])
    shown = screen("verify")
    require_fits(shown, width)
    assert "differences" in words(shown)
    assert folded(WORD_ID)[:20] in folded(shown)
    if width != 80:
        assert WORD_ID in words(shown)
        assert "'Another Shop'" in words(shown)


@pytest.mark.parametrize(
    ("given", "said"),
    [("{}", ["succeeded"]), ('{"Records": 7}', ["failed", "InputRejected: these are no records"])],
    ids=["good", "failing"],
)
def test_run(given: str, said: list[str], screen: Screen, width: int | None) -> None:
    shown = words(screen("run", "--records", "-", given=given))
    require_fits(shown, width)
    for text in said:
        assert shown.count(text) == 1


def test_json_is_what_a_script_reads_at_any_width(cli: Cli) -> None:
    for command in (["status"], ["history", "words"], ["verify"], ["run"]):
        assert json.loads(cli.run(*command, "--json").stdout)

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

WIDTHS = (80, 160, None)  # None: a pipe
Screen = Callable[..., str]


@pytest.fixture
def screen(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Screen:
    """What a command shows; where there is a terminal, both streams are on it."""

    def show(width: int | None, *arguments: str, given: str | None = None) -> str:
        terminal = StringIO()
        for console in (output.answers, output.remarks):
            for name, value in {
                "_file": terminal,
                "_force_terminal": width is not None,
                "_width": width,
                "_height": width and 50,
            }.items():
                monkeypatch.setattr(console, name, value)
        result = cli.run(*arguments, given=given)
        assert result.exit_code in {0, 1}, (result.output, terminal.getvalue())
        shown = terminal.getvalue()
        assert "…" not in shown
        if width is None:
            assert "\x1b" not in shown
        return words(shown)

    return show


def words(shown: str) -> str:
    """The text without what a terminal makes of it: colours and moves."""
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", shown)


def require_fits(shown: str, width: int | None) -> None:
    """No row of a table is longer than the terminal is wide: it would be broken anywhere."""
    rows = [row for row in shown.splitlines() if OWNER not in row]  # that is no table's
    assert max(map(len, rows)) <= (width or 1_000)


def test_status(cli: Cli, screen: Screen) -> None:
    version = cli.publish("words", {"a": {"text": "milk"}})
    cli.made.dynamodb.update_item(
        TableName=LOCKS,
        Key={"collection": {"S": "words"}},
        UpdateExpression="SET #o = :o, expires_at = :e",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":o": {"S": OWNER}, ":e": {"N": "4102444800"}},
    )
    inbox = Inbox(cli.made.sqs, cli.made.inbox_url, cli.made.dlq_url)
    inbox.reject([Rejection({"dynamodb": {}}, REASON)], "run")
    for width in WIDTHS:
        shown = screen(width, "status")
        require_fits(shown, width)
        assert version in shown
        assert f"words: leased by {OWNER} for" in " ".join(shown.split())
        assert "DLQ: 1" in shown
        assert REASON in " ".join(shown.split())


def test_history(cli: Cli, screen: Screen) -> None:
    versions = [cli.publish("words", {"a": {"text": text}}) for text in ("milk", "bread")]
    for width in WIDTHS:
        shown = screen(width, "history", "words")
        require_fits(shown, width)
        assert f"HEAD  {versions[1]}" in shown
        assert versions[0] in shown


def test_verify(cli: Cli, screen: Screen, heads: dict[str, dict[str, dict[str, Any]]]) -> None:
    heads["words"][WORD_ID]["merchant_name"] = "Another Shop"
    version = cli.publish("words", heads["words"])
    for width in WIDTHS:
        shown = screen(width, "verify")
        require_fits(shown, width)
        assert f"1 difference  {version}" in shown
        assert "merchant_name  'Another Shop'" in shown
        first_column = "".join(row.partition(" ")[0] for row in shown.splitlines())
        assert WORD_ID in first_column  # folded on a narrow terminal, and all there


@pytest.mark.parametrize(
    ("given", "said"),
    [("{}", ["succeeded"]), ('{"Records": 7}', ["failed", "InputRejected: these are no records"])],
    ids=["good", "failing"],
)
@pytest.mark.parametrize("width", WIDTHS)
def test_run(width: int | None, given: str, said: list[str], screen: Screen) -> None:
    shown = screen(width, "run", "--records", "-", given=given)
    require_fits(shown, width)
    for text in said:
        assert shown.count(text) == 1


def test_json_is_what_a_script_reads(cli: Cli) -> None:
    for command in (["status"], ["history", "words"], ["verify"], ["run"]):
        assert json.loads(cli.run(*command, "--json").stdout)

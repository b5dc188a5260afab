"""`instep mcp` as an assistant's client meets it: started by the client, spoken to on stdio."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from typer.testing import CliRunner

from instep.cli.app import app
from instep.snapshot.copy.pulled import pull
from tests.support.snapshots import NAME, a_world, adds, names

MODEL = """
def embed(texts):
    return [[float((sum(text.encode()) * (at + 3)) % 64) for at in range(8)] for text in texts]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and a pulled copy of 20: the server asks nobody else."""
    folder = tmp_path_factory.mktemp("assistant")
    (folder / "model.py").write_text(MODEL)
    with a_world(folder / "scratch") as world:
        world.write(adds(names(20), colour="blue"))
        pull(world.store.objects, NAME, folder / "pulled")
    return folder


def asked(place: Path, ask: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
    """Start the server as a client does, and return what `ask` makes of it."""
    command = ["-m", "instep.cli.app", "mcp", "./pulled", NAME, "--embed", "model:embed"]
    started = StdioServerParameters(
        command=sys.executable, args=command, cwd=place, env={"PYTHONPATH": str(place)}
    )

    async def talk() -> Any:
        async with Client(stdio_client(started)) as client:
            return await ask(client)

    return asyncio.run(talk())


def test_a_client_finds_four_questions_that_only_read(place: Path) -> None:
    async def ask(client: Client) -> Any:
        return (await client.list_tools()).tools

    tools = asked(place, ask)
    assert [tool.name for tool in tools] == ["search", "get", "count", "versions"]
    for tool in tools:
        assert tool.annotations.read_only_hint
        assert tool.description
        assert "collection" in tool.input_schema["required"]


def test_a_client_asks_and_is_answered_or_told_why_not(place: Path) -> None:
    async def ask(client: Client) -> Any:
        return [
            await client.call_tool("search", {"collection": NAME, "text": "w00019", "limit": 1}),
            await client.call_tool("count", {"collection": NAME, "where": {"colour": "blue"}}),
            await client.call_tool("get", {"collection": NAME, "ids": ["w00001", "nobody"]}),
            await client.call_tool("versions", {"collection": NAME}),
            await client.call_tool("search", {"collection": NAME, "text": "x", "limit": 5_000}),
            await client.call_tool("count", {"collection": "nobodys"}),
        ]

    *answers, too_many, unknown = asked(place, ask)
    assert not any(answer.is_error for answer in answers)
    search, count, get, versions = (answer.structured_content for answer in answers)
    assert search["hits"][0]["id"] == "w00019"
    assert count["count"] == 20
    assert get["missing"] == ["nobody"]
    assert versions["versions"][0]["version"] == search["version"]
    assert too_many.is_error
    assert "from 1 to 50" in too_many.content[0].text
    assert unknown.is_error
    assert "no collection 'nobodys'" in unknown.content[0].text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["./nowhere", NAME], "a location is BUCKET"),
        ([".", "lines"], "no copy of lines"),
        (["./pulled", NAME, "--embed", "model"], "names no function"),
        (["./pulled", NAME, "--embed", "nobodys:embed"], "names no function"),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_is(
    place: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(place)
    result = CliRunner().invoke(app, ["mcp", *arguments])
    assert result.exit_code == 3
    assert said in result.stderr
    assert result.stdout == ""

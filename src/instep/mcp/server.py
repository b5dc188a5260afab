"""The Model Context Protocol over stdio: each question of a Library is a tool."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from instep.mcp.library import Answer, Library, QuestionRefused

_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)


def serve(library: Library) -> None:
    """Answer on stdin and stdout until the client goes."""
    make_server(library).run("stdio")


def make_server(library: Library) -> MCPServer[Any]:
    """Return the server, with a tool for each question."""
    names = ", ".join(library.collections)
    server: MCPServer[Any] = MCPServer(
        "instep",
        instructions=f"Read-only snapshots of ChromaDB collections: {names}. Every answer names "
        f"the version it is true of; a change made in the table arrives within seconds.",
    )
    for question in (library.search, library.get, library.count, library.versions):
        server.add_tool(_told(question), annotations=_READS)
    return server


def _told(question: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let whoever asks read why there is no answer, as the protocol has it."""

    @wraps(question)
    def ask(*arguments: Any, **named: Any) -> Answer:
        try:
            return question(*arguments, **named)
        except QuestionRefused as refused:
            raise ToolError(str(refused)) from refused

    return ask

"""`instep query`: the nearest embeddings to a text, from a snapshot, with what they carry."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from chromadb.errors import ChromaError
from rich.markup import escape
from rich.table import Table

from instep.cli.options import DEFAULT_STACK, At, Aws, Collection, Json, Stack
from instep.cli.output import Refused, answers, fetching, print_json
from instep.cli.session import open_session
from instep.cli.snapshots import opened
from instep.embedding.asking import asks
from instep.embedding.local import unit_vectors
from instep.stamps import SUBJECT, VECTOR

if TYPE_CHECKING:
    from instep.snapshot.copy.reader import Snapshot

EPILOG = (
    "Example: [bold]instep query products 'something for cocoa' --where "
    """'{"price": {"$lt": 20}}'[/]"""
)
_WIDTH = 44  # of a text, as it is shown
_SEARCHED = 400  # of which the nearest of each text are shown


@dataclass(frozen=True)
class Hit:
    """A found embedding; `similarity` is the cosine, `same` how many more had the same text."""

    id: str
    text: str
    similarity: float
    metadata: Mapping[str, Any]
    same: int = 0


def query(
    collection: Collection,
    text: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    *,
    where: Annotated[
        str | None, typer.Option(metavar="JSON", help="Chroma's filter on metadata.")
    ] = None,
    at: At = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=100, help="Hits shown.")] = 8,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Show the nearest embeddings with their fields; the same text is shown once, with a count.

    The text is embedded by what made the collection's vectors, if Instep ships that, and else with
    the small local model (256 floats), as in the demo.
    """
    condition = _condition(where)
    session = open_session(aws=aws, stack=stack)
    with (
        fetching(f"opening {collection}") as progress,
        opened(session, collection, at, progress) as on,
    ):
        version, hits = on.version, nearest(on, text, count, condition)
    if as_json:
        print_json({"version": version, "hits": [vars(hit) for hit in hits]})
        return
    answers.print(f"[dim]{collection} {version}[/]")
    answers.print(hits_table(hits) if hits else "nothing found")


def nearest(
    snapshot: "Snapshot", text: str, count: int, where: Mapping[str, Any] | None = None
) -> list[Hit]:
    """Return the `count` nearest texts; Refused for a bad filter or vectors of another width."""
    collection = snapshot.collection
    held = collection.count()
    if held == 0:
        return []
    asked = np.asarray((asks(snapshot.embedder) or unit_vectors)([text]), np.float32)
    sample = collection.get(limit=1, include=["embeddings"])["embeddings"]
    if sample is not None and len(sample[0]) != len(asked[0]):
        raise Refused(
            f"{collection.name} holds vectors of {len(sample[0])} floats, this command's model "
            f"makes {len(asked[0])}: query it from Python with your own model "
            f"(examples/read_snapshot.py)"
        )
    try:
        found: Any = collection.query(
            query_embeddings=asked,
            n_results=min(_SEARCHED, held),
            where=dict(where) if where else None,
            include=["metadatas", "documents", "embeddings"],
        )
    except (ValueError, ChromaError) as error:
        raise Refused(f"chromadb does not take this --where: {error}") from error
    near = np.asarray(found["embeddings"][0]).reshape(-1, len(asked[0]))  # none too
    lengths = np.linalg.norm(near, axis=1) * np.linalg.norm(asked[0])
    cosines = near @ asked[0] / np.where(lengths, lengths, 1.0)
    return _distinct(found, cosines.tolist(), count)


def hits_table(hits: list[Hit], fields: Sequence[str] = ()) -> Table:
    """Return the hits as people read them: with a column a field, or with all they carry in one."""
    table = Table(box=None, pad_edge=False)
    for heading in ("near", "text", *(fields or ["carries"])):
        table.add_column(heading.replace("_", " "), header_style="dim", no_wrap=heading == "near")
    for hit in hits:
        more = f" [dim]+{hit.same}[/]" if hit.same else ""
        carried = (
            [value_text(hit.metadata[name]) if name in hit.metadata else "" for name in fields]
            if fields
            else [carries_text(hit)]
        )
        table.add_row(
            f"{hit.similarity:.2f}", f"[bold]{escape(_begin(hit))}[/]{more}", *map(escape, carried)
        )
    return table


def _begin(hit: Hit) -> str:
    """Return how a text begins: a document may be a whole page."""
    return shorten(hit.text.partition("\n")[0], _WIDTH, placeholder="…")


def carries_text(hit: Hit) -> str:
    """Say what a hit carries, without the text itself and what Instep writes for its own use."""
    return "  ".join(
        f"{name}={value_text(value)}"
        for name, value in sorted(hit.metadata.items())
        if value != hit.text and name not in {SUBJECT, VECTOR}
    )


def value_text(value: Any) -> str:
    """Return a metadata value as people read it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _distinct(found: Mapping[str, Any], cosines: Sequence[float], count: int) -> list[Hit]:
    """Keep the nearest of each text, and count the others."""
    kept: dict[str, Hit] = {}
    more: dict[str, int] = {}
    columns = (found[name][0] for name in ("ids", "documents", "metadatas"))
    for id_, document, metadata, cosine in zip(*columns, cosines, strict=True):
        text = document or str((metadata or {}).get("text", ""))
        if text in kept:
            more[text] += 1
        elif len(kept) < count:
            kept[text] = Hit(id_, text, round(cosine, 4), metadata or {})
            more[text] = 0
    return [
        Hit(hit.id, hit.text, hit.similarity, hit.metadata, more[text])
        for text, hit in kept.items()
    ]


def _condition(where: str | None) -> Mapping[str, Any] | None:
    if where is None:
        return None
    try:
        condition = json.loads(where)
    except ValueError as error:
        raise Refused(f"--where is not JSON: {error}") from error
    if not isinstance(condition, dict):
        raise Refused(f'--where takes an object, such as {{"price": {{"$lt": 20}}}}, not {where}')
    return condition

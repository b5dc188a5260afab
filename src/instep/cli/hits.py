"""What a search found, as values and as people read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from instep.cli.output import plain_table

_WIDTH: Final = 44  # of a text, as it is shown


@dataclass(frozen=True)
class Hit:
    """A found embedding; `similarity` is the cosine, `same` how many more had the same text."""

    id: str
    text: str
    similarity: float
    metadata: Mapping[str, Any]
    same: int = 0


def hits_table(hits: list[Hit], fields: Sequence[str] = ()) -> Table:
    """Return the hits as people read them: with a column a field, or with all they carry in one."""
    headings = (name.replace("_", " ") for name in fields or ["carries"])
    table = plain_table("near", "text", *headings, right=["near"])
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
    from instep.stamps import SUBJECT, VECTOR  # numpy, which --help need not wait for

    return "  ".join(
        f"{name}={value_text(value)}"
        for name, value in sorted(hit.metadata.items())
        if value != hit.text and name not in {SUBJECT, VECTOR}
    )


def value_text(value: Any) -> str:
    """Return a metadata value as people read it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

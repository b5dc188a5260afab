"""What Instep itself writes beside a domain's metadata: whose an embedding is, and of what made.

`instep_subject` finds a subject's embeddings, also after their items are gone. `instep_vector` is a
digest of what the vector was made of, so that a vector is written, and a text embedded, only when
that has changed.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from instep.embedding.digests import digest_of, digest_of_vector
from instep.source import Derived

if TYPE_CHECKING:
    from instep.embedding.embedder import Embedder

SUBJECT: Final = "instep_subject"
VECTOR: Final = "instep_vector"


def stamped(subject: str, derived: Derived, embedder: "Embedder | None") -> Derived:
    """Return what an embedding should carry with both stamps among its fields."""
    if derived.vector is not None:
        made_of: str | None = digest_of_vector(derived.vector)
    elif derived.text is not None and embedder is not None:
        made_of = digest_of(embedder.name, derived.text)
    else:
        made_of = None
    marks = {SUBJECT: subject, VECTOR: made_of}
    return replace(derived, fields={**derived.fields, **marks})

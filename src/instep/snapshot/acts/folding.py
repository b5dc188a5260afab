"""When a fold is due: a stated policy, pure, over what a manifest says of its version.

Each threshold has its reason in what was measured (docs/adr/0009): pending vectors are
replayed by every reader's open, a chain by every cold writer, free pages hold deleted content.
"""

from typing import Final

from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.format.manifest import Facts, FileEntry, Manifest
from instep.snapshot.format.pages import page_count

PENDING_VECTORS: Final = 300  # 0.5 to 0.8 s of a reader's open
CHAIN_LAYERS: Final = 48  # keeps a manifest under 16 KB and a cold writer's fetch parallel
CHAIN_WEIGHT: Final = 1.0  # increments weigh as much as their base
FREE_SHARE: Final = 0.5  # of the database's pages


def needs_fold(manifest: Manifest) -> bool:
    """Say whether readers and cold writers of this version would gain from a fold."""
    facts = manifest.facts
    return (
        facts.pending_vectors >= PENDING_VECTORS
        or needs_vacuum(facts, page_count(manifest.files[SQLITE].size), deletes=0)
        or any(is_heavy(entry) for entry in manifest.files.values())
    )


def is_heavy(entry: FileEntry) -> bool:
    """Say whether a file's chain is longer, or weighs more, than a new base would."""
    base, *increments = entry.layers
    weight = sum(layer.bytes for layer in increments)
    return len(increments) >= CHAIN_LAYERS or weight > CHAIN_WEIGHT * max(base.bytes, 1 << 20)


def needs_vacuum(facts: Facts, pages: int, deletes: int) -> bool:
    """Say whether a database of so many pages should be rewritten, after so many deletes.

    After one alone: what was deleted lies about in free space, and should be in no newer base.
    """
    return deletes > 0 or facts.free_pages > FREE_SHARE * pages

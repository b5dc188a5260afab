"""When a fold is due: a stated policy, pure, over what a manifest says of its version.

Each threshold has its reason in what was measured (docs/adr/0009): pending vectors are
replayed by every reader's open, a chain by every cold writer, free pages hold deleted content.

A fold costs what the collection is large, so one after each version of a bulk would make a table
that is taken in cost its square: while versions bring that many, a fold waits until there is a
moment for it, or what waits is a share of the collection. No larger one: a fold takes the time of
what it inserts, too, and nothing is published meanwhile.
"""

from enum import StrEnum
from typing import Final

from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.format.manifest import Facts, FileEntry, Manifest
from instep.snapshot.format.pages import page_count

PENDING_VECTORS: Final = 300  # 0.5 to 0.8 s of a reader's open
CHAIN_LAYERS: Final = 48  # keeps a manifest under 16 KB and a cold writer's fetch parallel
CHAIN_WEIGHT: Final = 1.0  # increments weigh as much as their base
FREE_SHARE: Final = 0.5  # of the database's pages
PENDING_SHARE: Final = 1 / 16  # of the embeddings: the folds of a bulk read it sixteen times in all
PENDING_IN_BULK: Final = 6_000  # two rounds, and some seconds of a fold that live changes wait for


class FoldDue(StrEnum):
    """Whether a version should be folded, and when."""

    NO = "no"
    AFTER = "after"  # the bulk that it is a part of
    DUE = "due"  # unless a bulk is under way
    NOW = "now"


def fold_due(manifest: Manifest, pending_before: int) -> FoldDue:
    """Say when this version should be folded; in its parent so many vectors were pending."""
    if not needs_fold(manifest):
        return FoldDue.NO
    pending, embeddings = manifest.facts.pending_vectors, manifest.facts.embeddings
    if pending >= max(PENDING_IN_BULK, PENDING_SHARE * embeddings) or _is_worn(manifest):
        return FoldDue.NOW
    return FoldDue.AFTER if pending - pending_before >= PENDING_VECTORS else FoldDue.DUE


def needs_fold(manifest: Manifest) -> bool:
    """Say whether readers and cold writers of this version would gain from a fold."""
    return manifest.facts.pending_vectors >= PENDING_VECTORS or _is_worn(manifest)


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


def _is_worn(manifest: Manifest) -> bool:
    """Say whether a chain is heavy or most of the database is free, whatever is pending."""
    pages = page_count(manifest.files[SQLITE].size)
    return needs_vacuum(manifest.facts, pages, deletes=0) or any(
        map(is_heavy, manifest.files.values())
    )

"""What a mapping would make of a sample of items, without an embedder and without a store."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from instep.aws.expiry import is_alive
from instep.domain import Item
from instep.keys import Key
from instep.mapping.model import CollectionMapping
from instep.mapping.source import MappedSource
from instep.source import Derived

_EXAMPLES: Final = 3


@dataclass
class Trial:
    """One collection's part in a sample. `refused` counts by reason, `keys` is by id.

    What has `expired`, or is `skipped` for want of what it must have, makes no embedding.
    """

    matched: int = 0
    expired: int = 0
    skipped: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Derived] = field(default_factory=dict)
    keys: dict[str, list[Key]] = field(default_factory=dict)

    @property
    def made(self) -> int:
        """How many items make an embedding."""
        return sum(map(len, self.keys.values()))

    @property
    def shared(self) -> dict[str, list[Key]]:
        """The ids that several items want, with the keys of those."""
        return {id_: sorted(keys) for id_, keys in self.keys.items() if len(keys) > 1}

    @property
    def passed(self) -> bool:
        """Whether every item that matched is taken or skipped, each under an id of its own."""
        return not self.refused and not self.shared


def try_mapping(mapping: CollectionMapping, items: Iterable[Item], now: datetime) -> Trial:
    """Derive what each item would carry, and set aside with its reason what cannot be."""
    source, trial = MappedSource(mapping), Trial()
    for item in items:
        key = mapping.table.schema.of(item)
        subject = source.subject(key)
        if subject is None or not mapping.takes(item):
            continue
        trial.matched += 1
        if not is_alive(item, mapping.table.time_to_live, now):
            trial.expired += 1
            continue
        try:
            derived = source.derive(subject, [item])
        except ValueError as error:
            trial.refused[str(error)] += 1
            continue
        trial.skipped += not derived
        for id_, one in derived.items():
            trial.keys.setdefault(id_, []).append(key)
            if len(trial.examples) < _EXAMPLES:
                trial.examples[id_] = one
    return trial

"""Which drift a letter of the DLQ explains: it waits there with its reason, and is not lost.

The match is by what the letter's record touches, as the domain says of it. What differs beyond that
is nothing that letter could have brought.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from instep.cli.dead_letters import letter_of, peek, records_of
from instep.cli.session import Session
from instep.domain import Difference, Domain

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

AT_MOST: Final = 1000
"""How many letters are looked at: a hundred calls, or a few seconds."""

PATIENCE: Final = 1
"""Seconds an answer may take to be empty: then SQS has asked all of its servers."""


@dataclass(frozen=True)
class _Letter:
    """What a letter explains; None as `collection` or `fields`: every one."""

    reason: str
    collection: str | None
    fields: Collection[str] | None

    def explains(self, collection: str, name: str | None) -> bool:
        return self.collection in (None, collection) and (
            self.fields is None or name in self.fields
        )


@dataclass
class Letters:
    """The DLQ as far as it was looked at: `whole` unless `AT_MOST` was in the way."""

    looked_at: int = 0
    whole: bool = True
    _about: dict[str, list[_Letter]] = field(default_factory=lambda: defaultdict(list))
    _domain: Domain | None = None

    @classmethod
    def read(cls, session: Session) -> "Letters":
        """Look into the deployment's DLQ; everything stays there."""
        letters = cls(_domain=session.domain)
        for message in peek(session.sqs, session.deployment.dlq_url, AT_MOST, PATIENCE):
            letters._take_in(message)
        letters.whole = letters.looked_at < AT_MOST
        return letters

    def why(self, difference: Difference) -> str | None:
        """Return the reason with which what explains a difference waits; None if nothing does."""
        about = (difference.id, *difference.part_of)
        return self._reason(about, difference.collection, difference.field)

    def why_run(self, key: str, collection: str) -> str | None:
        """Return the reason with which what the table says is on its way waits; None if not."""
        return self._reason((key,), collection, None)

    def shortfall(self) -> str | None:
        """Say that there may be more letters than were looked at; None if these were all."""
        if self.whole:
            return None
        return f"only {self.looked_at:,} letters of the DLQ were looked at: more may wait there"

    def _reason(self, about: Sequence[str], collection: str, name: str | None) -> str | None:
        for one in about:
            for letter in self._about.get(one, ()):
                if letter.explains(collection, name):
                    return letter.reason
        return None

    def _take_in(self, message: "MessageTypeDef") -> None:
        letter = letter_of(message)
        self.looked_at += 1
        with suppress(ValueError, RecursionError):
            for record in records_of(json.loads(message["Body"])):
                for about, explained in self._domain.explains(record) if self._domain else ():
                    found = _Letter(letter.reason, letter.collection, explained)
                    self._about[about].append(found)

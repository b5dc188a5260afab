"""What holds the one runner's protocol (`instep.flow.runner`), and the exploration that notices
when it is gone.

Each removal is a piece of the protocol's source, what stands in its place when it is taken out, and
the scenario of tests/support/runner_scenarios.py in which a state then is as it must not be.
"""

from dataclasses import dataclass
from typing import Final

RUNNER, STARTER, LOOKING, ACKNOWLEDGING = "runner", "starter", "looking", "acknowledging"


@dataclass(frozen=True)
class Removal:
    """`piece` (once in the module) becomes `without`, which goes wrong in `scenario`."""

    module: str
    piece: str
    without: str
    scenario: str

    def __str__(self) -> str:
        return f"{self.module}-{self.piece.strip()[:50]}-{self.without.strip()[:30]}"

    def taken_from(self, sources: dict[str, str]) -> dict[str, str]:
        """Return the sources without the piece."""
        times = sources[self.module].count(self.piece)
        assert times == 1, f"{self.module} has {self.piece!r} {times} times: name what it is now"
        return {**sources, self.module: sources[self.module].replace(self.piece, self.without)}


_EVERY_QUEUED = "(queued = :queued OR NOT queued = :queued)"
_EVERYBODY = "(runner = :me OR NOT runner = :me)"

REMOVALS: Final = (
    # what every condition of a write holds
    Removal(RUNNER, '(stay, "runner = :me", until)', f'(stay, "{_EVERYBODY}", until)', "doom1"),
    Removal(
        RUNNER,
        '("SET #until = :until", "runner = :me", until)',
        f'("SET #until = :until", "{_EVERYBODY}", until)',
        "two",
    ),
    Removal(
        RUNNER,
        '"runner = :me AND queued = :queued"',
        f'"{_EVERYBODY} AND queued = :queued"',
        "hand",
    ),
    Removal(
        RUNNER,
        '"runner = :me AND queued = :queued"',
        f'"runner = :me AND {_EVERY_QUEUED}"',
        "plain",
    ),
    Removal(
        RUNNER,
        '"SET runner = :start, #until = :until",\n            "runner = :me",',
        f'"SET runner = :start, #until = :until",\n            "{_EVERYBODY}",',
        "looks",
    ),
    Removal(RUNNER, '"attribute_not_exists(due) OR due < :due"', '"due < :due"', "delays"),
    Removal(
        RUNNER, '"attribute_not_exists(due) OR due < :due"', '"attribute_not_exists(due)"', "delays"
    ),
    Removal(
        RUNNER,
        '"attribute_not_exists(due) OR due < :due"',
        '"attribute_not_exists(due) OR NOT due = :due"',
        "pasted",
    ),
    Removal(RUNNER, 'same = "attribute_not_exists(runner)"', 'same = "NOT runner = :new"', "plain"),
    Removal(
        RUNNER,
        '"runner = :found AND #until = :seen"',
        '"(runner = :found OR NOT runner = :found) AND #until = :seen"',
        "looks",
    ),
    Removal(
        RUNNER,
        '"runner = :found AND #until = :seen"',
        '"runner = :found AND (#until = :seen OR NOT #until = :seen)"',
        "two",
    ),
    Removal(RUNNER, "{same} AND NOT ended = :new", "{same}", "start"),
    # what the writes say
    Removal(
        RUNNER,
        '        assign += " ADD queued :none"  # so that there is a number to be conditional on\n'
        '        values[":none"] = {"N": "0"}\n',
        "",
        "plain",
    ),
    Removal(RUNNER, "found = self._add(messages)", "found = self._add(0)", "plain"),
    Removal(RUNNER, "found, wished = self._add(1), True", "return None", "hands"),
    Removal(RUNNER, "self._put_off(self._clock() + hidden)", "pass", "delays"),
    Removal(RUNNER, "return min(self.until, now) + HIDDEN", "return None", "one"),
    Removal(RUNNER, '(" REMOVE deaths" if went_well else "")', '""', "doom2"),
    Removal(RUNNER, '"SET ended = :ended", None', '"SET ended = :ended", "runner = :ended"', "one"),
    Removal(RUNNER, "self._clock(), START, found.deaths + 1)", "self._clock(), START)", "doom0"),
    # what is done with the item as it was found
    Removal(RUNNER, " and now <= self.until", "", "doom0"),
    Removal(
        RUNNER,
        "return start if found.runner == start else None\n            found",
        "return None\n            found",
        "doom0",
    ),
    Removal(
        RUNNER,
        "            if found.is_live(now):",
        "            if found.runner == start:",
        "plain",
    ),
    Removal(RUNNER, "if not found.is_live(now) or found.is_starting:", "if True:", "plain"),
    Removal(
        RUNNER,
        "if not found.is_live(now) or found.is_starting:",
        "if not found.is_live(now):",
        "doom1",
    ),
    Removal(
        RUNNER,
        "            if found.ended == execution:\n                return None\n",
        "",
        "hand",
    ),
    Removal(RUNNER, "return found.runner != execution", "return True", "plain"),
    Removal(
        RUNNER,
        "            if found.runner == start:\n                return start\n",
        "",
        "doom0",
    ),
    Removal(
        RUNNER,
        "if found.runner != ended and not found.is_starting:",
        "if found.runner != ended:",
        "doom0",
    ),
    Removal(
        RUNNER,
        "if found.runner != ended and not found.is_starting:",
        "if not found.is_starting:",
        "doom1",
    ),
    Removal(
        RUNNER,
        "if found.runner != ended and not found.is_starting:",
        "if found.runner is None:",
        "looks",
    ),
    Removal(
        RUNNER, "            if found.deaths >= DEATHS:\n                return None\n", "", "doom0"
    ),
    # what is done by those who ask
    Removal(STARTER, 'if answer["FailedEntryCount"]:', "if False:", "one"),
    Removal(STARTER, "self.put(start, records)", "pass", "doom0"),
    Removal(
        LOOKING,
        "        if claim is None:",
        "        claim = claim or Claim(0, None, 0)\n        if claim is None:",
        "plain",
    ),
    Removal(
        LOOKING,
        "now, left = self.clock(), self.inbox.depth()",
        "claim = self.runner.claim(answer.execution) or claim  # `queued` from after the drain\n"
        "        now, left = self.clock(), self.inbox.depth()",
        "pasted",
    ),
    Removal(
        LOOKING,
        "more = bool(left.visible or (hidden and patient))",
        "more = bool(hidden and patient)",
        "delays",
    ),
    Removal(
        LOOKING,
        "tally=replace(answer.tally, unfolded=left)",
        "tally=answer.tally",  # folded, and due again
        "bulk",
    ),
    Removal(LOOKING, "left.in_flight or ", "", "hand"),
    Removal(LOOKING, "left.delayed or ", "", "fates"),
    Removal(LOOKING, "(claim.due is not None and now < claim.due)", "False", "delays"),
    Removal(
        LOOKING,
        "if self.runner.finish(answer.execution, claim):",
        "if self.runner.finish(answer.execution, claim) or True:",
        "plain",
    ),
    Removal(
        LOOKING,
        "self._put(self.runner.hand_over(answer.execution))",
        "self.runner.hand_over(answer.execution)",
        "looks",
    ),
    Removal(LOOKING, "        self._put(start)", "        pass", "doom0"),
    Removal(ACKNOWLEDGING, "if back:", "if False:", "delays"),
    Removal(ACKNOWLEDGING, "timedelta(seconds=settlement.waits)", "timedelta(0)", "delays"),
)

"""What a benchmark found: one flat set of figures, JSON for a script, a table for a person."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Figures


@dataclass(frozen=True)
class Target:
    """What a figure should reach: at least, or at most, `value`."""

    value: float
    least: bool

    def met_by(self, figure: float) -> bool:
        """Say whether `figure` reaches it."""
        return figure >= self.value if self.least else figure <= self.value

    def __str__(self) -> str:  # noqa: D105
        return f"{'at least' if self.least else 'at most'} {self.value:g}"


def at_least(value: float) -> Target:
    """Return the target of a ratio that should be large."""
    return Target(value, least=True)


def at_most(value: float) -> Target:
    """Return the target of a cost."""
    return Target(value, least=False)


@dataclass(frozen=True)
class Report:
    """A benchmark's figures with the workload they were taken on, in the order to read them.

    `left_out` says which figures are not there and how to get them; `remark`, what figures cannot.
    """

    name: str
    workload: str
    figures: Figures
    targets: Mapping[str, Target]
    left_out: str = ""
    remark: str = ""

    def to_json(self) -> str:
        """Return one flat JSON object, a key a figure."""
        return json.dumps(self.figures, indent=2)

    def print_to(self, console: Console) -> None:
        """Print the figures that have a target first, then what they were made of."""
        table = Table(title=self.name, caption=self.workload, title_justify="left")
        table.add_column("figure")
        table.add_column("value", justify="right")
        table.add_column("should be")
        table.add_column("")
        targets = {key: self.targets[key] for key in self.figures if key in self.targets}
        for key, target in targets.items():
            value = self.figures[key]
            table.add_row(key, _spell(value), str(target), "met" if target.met_by(value) else "no")
        table.add_section()
        for key, value in self.figures.items():
            if key not in targets:
                table.add_row(key, _spell(value), "", "")
        console.print(table)


def _spell(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) or abs(value) >= 1_000 else f"{value:g}"

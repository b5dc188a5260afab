"""`instep bench hostile`: a few hundred inputs hold, and whoever misbehaves is named by its input.

More of them: instep bench hostile --inputs 1000000
"""

import json
import random
from typing import Any

import pytest

from benchmarks.hostile.bench import figures, run, shared, tasks
from benchmarks.hostile.case import Case
from benchmarks.hostile.crew import Crew
from benchmarks.hostile.mutation import bytes_mutated, json_mutated
from benchmarks.hostile.trial import Tally, dice_of, merged, try_one, worst
from benchmarks.hostile.worker import Work
from tests.support.hostile_boundaries import ONE_IN

SEED = 49  # each boundary misbehaves over one input of the first dozen, and not over the last
COUNT = 12


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    """What came of a dozen inputs of each boundary that misbehaves."""
    modules = ("tests.support.hostile_boundaries",)
    with Crew(1, SEED, modules, hung=1.0) as crew:
        found = list(crew.run([Work(name, 0, COUNT) for name in crew.costs]))
    return {name: merged(name, [t for t in found if t.boundary == name]) for name in crew.costs}


def chosen(name: str) -> list[int]:
    """The inputs over which a boundary misbehaves."""
    return [n for n in range(COUNT) if dice_of(name, SEED, n).randrange(ONE_IN) == 0]


@pytest.mark.parametrize(
    ("name", "end", "why"),
    [
        ("leaks", "KeyError", "nobody declared it"),
        ("dies", "died (-11)", "gone"),
        ("grows", "MemoryError", "MemoryError"),
        ("hangs", "hung", "gone"),
    ],
)
def test_a_fault_is_named_by_its_input_and_all_others_are_read(
    tallies: dict[str, Tally], name: str, end: str, why: str
) -> None:
    tally, bad = tallies[name], chosen(name)
    assert len(bad) == 1
    assert [outcome.index for outcome in sorted(tally.bad, key=lambda o: o.index)] == bad
    assert tally.ends == {end: len(bad), "read": COUNT - len(bad)}
    assert all(why in outcome.fault for outcome in tally.bad)


def test_declared_errors_are_counted_and_not_bad(tallies: dict[str, Tally]) -> None:
    sound = tallies["sound"]
    assert sound.ends.total() == COUNT
    assert sound.ends.keys() == {"ValueError", "read"}
    assert not sound.bad
    assert worst([sound])[0].startswith("slowest: sound")


def test_an_input_that_could_not_be_made_is_named_too() -> None:
    outcome = try_one(Case("odd", (ValueError,), lambda _: int("x"), lambda _: None), SEED, 0)
    assert (outcome.end, outcome.bad) == ("not made", True)
    assert "invalid literal" in str(outcome)


def test_what_was_found_is_figures(tallies: dict[str, Tally]) -> None:
    found = figures(list(tallies.values()), SEED)
    assert found["inputs"] == 5 * COUNT
    assert found["undeclared"] == sum(map(len, map(chosen, ("leaks", "dies", "grows", "hangs"))))
    assert found["leaks: KeyError"] == len(chosen("leaks"))


def test_inputs_are_shared_by_what_they_cost() -> None:
    costs = {"cheap": 0.001, "dear": 0.1}
    shares = shared(1100, costs)
    assert shares == {"cheap": 1000, "dear": 100}
    work = tasks(shares, costs)
    assert sum(task.stop - task.start for task in work) == 1100
    assert work[0] == Work("dear", 0, 20)


@pytest.mark.parametrize("seed", range(5))
def test_an_input_comes_back_by_its_number(seed: int) -> None:
    value: Any = {"a": [1, {"b": "c"}], "d": None}
    for mutate in (
        lambda dice: repr(json_mutated(dice, value)),
        lambda dice: bytes_mutated(dice, bytes(200)),
    ):
        assert mutate(random.Random(seed)) == mutate(random.Random(seed))  # noqa: S311
    assert json.dumps(value) == '{"a": [1, {"b": "c"}], "d": null}'


def test_every_boundary_holds_over_a_few_hundred_inputs() -> None:
    report = run(None, inputs=300, seed=random.randrange(1 << 32), processes=1)  # noqa: S311
    assert report.figures["inputs"] >= 290
    assert report.figures["undeclared"] == 0, f"{report.workload}\n{report.remark}"
    assert report.figures["slowest_s"] < 5, report.remark
    assert report.figures["largest_mb"] < 500, report.remark


def test_what_is_made_fits_in_memory_however_often_a_list_is_filled_with_itself() -> None:
    value = {"a": [[[1]]], "b": [["x"]]}
    made = (json_mutated(random.Random(seed), value) for seed in range(1000))  # noqa: S311
    assert max(repr(one).count(",") for one in made) < 10_000

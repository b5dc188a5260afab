"""Each invariant of docs/design.md fails a test when a line that holds it is taken out.

Every removal happens to a copy of the tree, in which its tests run in a process of their own: one
forked where what all of them import is loaded already, which is most of what they would take.
"""

import multiprocessing
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.invariants.removals import REMOVALS, Removal
from tests.support.marks import ROOT, marked

INVARIANTS = range(1, 9)
COPIED = ("src", "receipts", "functions", "tests", "stacks", "pyproject.toml")
_AT_ONCE = 2
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["aws_lambda_powertools", "boto3", "chromadb", "moto"])


class Outcome:
    """What became of each test, by its id without parameters, and what was said of those."""

    def __init__(self, report: Path) -> None:
        self.failed: set[str] = set()
        self.broken: set[str] = set()
        self.said: list[str] = []
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
            name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
            for kind, tests in (("failure", self.failed), ("error", self.broken)):
                for found in case.findall(kind):
                    tests.add(name.partition("[")[0])
                    self.said.append(f"{name}: {found.text}")


def cut(tree: Path, removal: Removal) -> None:
    """Take the line out; it must be there, once."""
    path = tree / removal.file
    text = path.read_text()
    times = text.count(f" {removal.line}\n")
    assert times == 1, (
        f"{removal.file} has the line {removal.line!r} {times} times: what held invariant "
        f"{removal.invariant} was moved or rewritten, so name the line that holds it now"
    )
    path.write_text(text.replace(f" {removal.line}\n", f" {removal.without}\n"))


def tried(removal: Removal, tree: Path) -> Outcome:
    """Take the line out of a copy under `tree` and run the removal's tests there."""
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, tree / name)
    cut(tree, removal)
    report = tree / "report.xml"
    quiet = ("-p", "no:terminal", "-p", "no:randomly", "-p", "no:cacheprovider")
    of_the_tree = (f"--rootdir={tree}", f"--config-file={tree / 'pyproject.toml'}")
    tests = [f"{tree / test}" for test in removal.tests]
    run = _PROCESSES.Process(
        target=pytest.main, args=([*quiet, *of_the_tree, f"--junitxml={report}", *tests],)
    )
    run.start()
    run.join()
    run.close()
    return Outcome(report)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Removal, Future[Outcome]]]:
    """Every removal, a few at a time, begun before the first is asked for."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {
            removal: pool.submit(tried, removal, tmp_path_factory.mktemp("without"))
            for removal in REMOVALS
        }


@pytest.mark.timeout(1200)  # whoever is asked first may wait for all
@pytest.mark.parametrize("removal", REMOVALS, ids=str)
def test_without_its_line_an_invariant_does_not_hold(
    removal: Removal, outcomes: dict[Removal, "Future[Outcome]"]
) -> None:
    outcome = outcomes[removal].result()
    assert outcome.broken == set(), outcome.said
    assert outcome.failed == set(removal.tests), outcome.said


@pytest.mark.parametrize("removal", REMOVALS, ids=str)
def test_a_removals_tests_say_which_invariant_they_hold(removal: Removal) -> None:
    marks = marked("invariant")
    assert {test: removal.invariant in marks.get(test, ()) for test in removal.tests} == (
        dict.fromkeys(removal.tests, True)
    )


def test_every_invariant_has_tests_and_a_removal() -> None:
    values = {value for marks in marked("invariant").values() for value in marks}
    assert values == set(INVARIANTS)
    assert {removal.invariant for removal in REMOVALS} == set(INVARIANTS)


def test_a_line_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("    now = 1\n")
    removal = Removal(1, "module.py", "then = 1", "pass", ())
    with pytest.raises(AssertionError, match=r"module.py has the line 'then = 1' 0 times"):
        cut(tmp_path, removal)

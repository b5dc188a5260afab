"""The readers' benchmark, short; and that it would tell a wrong answer."""

from benchmarks import readers
from benchmarks.readers import _is_right
from benchmarks.stage import Stage

PUBLISHED = {"v0": (0, 100), "v1": (1, 100), "v2": (2, 101)}


def test_every_answer_is_of_one_version(stage: Stage) -> None:
    figures = readers.run(stage, seconds=1, processes=2, threads=4).figures
    assert (figures["wrong_answers"], figures["errors"]) == (0, 0)
    assert figures["answers"] > 0
    assert figures["versions_published"] >= figures["versions_seen"] >= 1


def test_an_answer_of_another_version_is_wrong() -> None:
    assert _is_right(("v1", "v1", 1, 100), PUBLISHED)
    assert _is_right(("v0", "v2", 1, 100), PUBLISHED)
    assert not _is_right(("v0", "v0", 1, 100), PUBLISHED)
    assert not _is_right(("v0", "v1", 2, 101), PUBLISHED)
    assert not _is_right(("v2", "v2", 2, 100), PUBLISHED)

"""The pipeline that most tests run (tests/support/pipeline.py) makes the very calls that the
synthesized definitions make on moto's interpreter, whatever happens.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from instep.errors import LeaseLost, SnapshotConflict
from instep.snapshot.acts import folding
from tests.support.arrivals import arrive
from tests.support.aws import services
from tests.support.interpreter import Interpreter
from tests.support.moto_states import install
from tests.support.pipeline import Pipeline

Calls: TypeAlias = Mapping[str | None, list[str]]
Trouble: TypeAlias = Callable[[Pipeline], None]


def nothing(_: Pipeline) -> None:
    """An ordinary day."""


def lost(pipeline: Pipeline) -> None:
    pipeline.fail("apply_updates", LeaseLost.__name__, collection="words")


def outrun(pipeline: Pipeline) -> None:
    pipeline.fail("upload_snapshot", SnapshotConflict.__name__, collection="words", times=4)


def failing(pipeline: Pipeline) -> None:
    """Nothing that is tried again: the pipeline leaves retries to the definitions."""
    pipeline.fail("apply_updates", "KeyError", collection="lines", times=2)
    pipeline.fail("release_lock", "ValueError", collection="words")


def without_a_fold(pipeline: Pipeline) -> None:
    pipeline.fail("fold_snapshot", "KeyError")


def no_lease_for_a_fold(pipeline: Pipeline) -> None:
    """The third lease that anybody asks for is the fold's."""
    asked = pipeline.handler("acquire_lock")
    leases: list[dict[str, Any]] = []

    def acquire(event: dict[str, Any], context: Any) -> dict[str, Any]:
        leases.append(event)
        if len(leases) == 3:
            raise KeyError("third")
        return asked(event, context)

    pipeline.handlers["acquire_lock"] = acquire


CASES: dict[str, Trouble] = {
    case.__name__: case
    for case in (nothing, lost, outrun, failing, without_a_fold, no_lease_for_a_fold)
}


def calls_of(pipeline: Pipeline) -> Calls:
    """What was called for each collection, and for none, in order; collections interleave."""
    found: dict[str | None, list[str]] = defaultdict(list)
    for function, collection in pipeline.calls:
        found[collection].append(function)
    return found


def in_a_world(
    folder: Path, case: Trouble, run: Callable[[Pipeline, pytest.MonkeyPatch], Any]
) -> Calls:
    with pytest.MonkeyPatch.context() as patch, services(patch) as aws:
        patch.setenv("CHROMA_ROOT", str(folder))
        patch.setattr(folding, "PENDING_VECTORS", 4)
        pipeline = Pipeline(aws)
        arrive(pipeline)
        case(pipeline)
        pipeline.calls.clear()
        run(pipeline, patch)
        return calls_of(pipeline)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_pipeline_makes_the_calls_of_the_definitions(
    case: Trouble, machines: Mapping[str, Any], tmp_path: Path
) -> None:
    def interpreted(pipeline: Pipeline, patch: pytest.MonkeyPatch) -> None:
        interpreter = Interpreter(pipeline, machines)
        install(interpreter, patch)
        interpreter.run(name="run")

    def in_python(pipeline: Pipeline, _: pytest.MonkeyPatch) -> None:
        pipeline.run(execution="run")

    expected = in_a_world(tmp_path / "interpreter", case, interpreted)
    assert in_a_world(tmp_path / "pipeline", case, in_python) == expected
    assert expected["words"].count("apply_updates") >= 1

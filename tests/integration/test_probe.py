"""The synthetic change goes the whole way and moves nothing; it meets what is broken on it."""

import pytest

from tests.support.arrivals import arrive, assert_green, queued, versions
from tests.support.pipeline import FunctionFailed, Pipeline

PROBE: dict[str, dict[str, str]] = {"Probe": {}}
BROKEN = "Runtime.ImportModuleError"
ON_ITS_WAY = {"parse_batch", "acquire_lock", "apply_updates", "release_lock", "settle_batch"}


def test_a_probe_calls_what_a_batch_calls_but_the_publish_and_moves_nothing(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    assert_green(pipeline.run())
    before, calls = versions(pipeline), len(pipeline.calls)
    assert_green(pipeline.run(PROBE))
    called = pipeline.calls[calls:]
    assert {name for name, _ in called} == ON_ITS_WAY
    assert [of for name, of in called if name == "apply_updates"] == ["lines", "words"]
    assert versions(pipeline) == before
    assert queued(pipeline) == (0, 0)


def test_a_probe_of_an_empty_deployment_makes_no_version(pipeline: Pipeline) -> None:
    """An import wants to make the first one."""
    assert_green(pipeline.run(PROBE))
    assert versions(pipeline) == {}


@pytest.mark.parametrize("function", sorted(ON_ITS_WAY - {"parse_batch", "release_lock"}))
def test_a_broken_build_turns_the_probe_red(pipeline: Pipeline, function: str) -> None:
    """Whatever a function dies of; ReleaseLock's failure is none, for a lease ends by itself."""
    arrive(pipeline)
    assert_green(pipeline.run())
    pipeline.fail(function, BROKEN, times=100)
    if function == "settle_batch":  # outside of any collection: the execution ends there
        with pytest.raises(FunctionFailed, match=BROKEN):
            pipeline.run(PROBE)
    else:
        run = pipeline.run(PROBE)
        assert not run.succeeded
        assert BROKEN in run.cause

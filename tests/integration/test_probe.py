"""The synthetic change goes the whole way and moves nothing; it meets what is broken on it."""

import json

import pytest

from tests.support.arrivals import RECEIPT, arrive, assert_green, queued, versions
from tests.support.pipeline import FunctionFailed, Pipeline

PROBE: dict[str, object] = {"Probe": {}}
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


def errors_counted(captured: str) -> float:
    """Sum what the functions counted as errors of theirs: what an alarm would read."""
    name = "CompactionLambdaError"
    lines = (json.loads(line) for line in captured.splitlines() if f'"{name}"' in line)
    return sum(sum(line[name]) for line in lines)


def test_a_broken_build_is_counted_where_an_alarm_looks_and_its_return_ends_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code itself is broken, as a bad deploy's is; the probe alone meets it, and the table's
    next change comes through once the old code is back.
    """

    def broken(*_: object) -> object:
        raise TypeError("a build that nobody tried")

    arrive(pipeline)
    assert_green(pipeline.run())
    capsys.readouterr()
    with monkeypatch.context() as deployed:
        deployed.setattr("instep.lambda_.handlers.apply_updates.update", broken)
        run = pipeline.run(PROBE)
        assert (run.succeeded, "TypeError" in run.cause) == (False, True)
        assert errors_counted(capsys.readouterr().out) == 2, "one a collection"
    assert_green(pipeline.run(PROBE))
    pipeline.ingest(pipeline.put(RECEIPT.label(2, "TOTAL", "VALID")))
    assert_green(pipeline.run())
    assert pipeline.embeddings("words")[RECEIPT.word_id(2)]["valid_labels"] == ",TOTAL,"
    assert errors_counted(capsys.readouterr().out) == 0

"""`instep bench`: what it takes, what it prints, what it refuses before anything starts."""

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks import freshness, label_updates, soak
from benchmarks import stage as stages
from benchmarks.report import Report, at_least
from instep.cli.app import app
from instep.cli.bench import TAKES, Benchmark

FOUND = Report("label_updates", "1,000 words", {"speedup_warm_1k": 25.0}, {"x": at_least(1)})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Nothing is measured; what would have been is noted."""
    options: dict[str, Any] = {}

    @contextmanager
    def nowhere() -> Iterator[None]:
        yield None

    def run(_: object, **given: object) -> Report:
        options.update(given)
        return FOUND

    monkeypatch.setattr(stages, "stage", nowhere)
    monkeypatch.setattr(label_updates, "run", run)
    return options


def test_json_is_one_flat_object_on_stdout(asked: dict[str, Any]) -> None:
    arguments = ["bench", "label_updates", "--size", "1000", "--rounds", "2", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"speedup_warm_1k": 25.0}
    assert asked == {"sizes": [1000], "rounds": 2}


def test_without_options_the_published_workload_is_measured(asked: dict[str, Any]) -> None:
    result = CliRunner().invoke(app, ["bench", "label_updates"])
    assert result.exit_code == 0
    assert "1,000 words" in result.stdout
    assert asked == {}


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["growth", "--size", "5000", "--size", "5000"], "at least twice"),
        (["delta_merge", "--size", "1000", "--size", "2000"], "takes one --size"),
        (["drain_limit", "--rounds", "2"], "takes no --rounds"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(arguments: list[str], answer: str) -> None:
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert result.exit_code == 2
    assert answer in result.stderr


def test_figures_left_out_are_a_remark_beside_the_figures(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_updates, "run", lambda _: replace(FOUND, left_out="install it"))
    result = CliRunner().invoke(app, ["bench", "label_updates", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == FOUND.figures
    assert "install it" in result.stderr
    assert asked == {}


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["deployed", "--rounds", "3"], "deployed takes no --rounds"),
        (["readers", "--rate", "10"], "readers takes no --rate"),
        (["freshness", "--size", "1000"], "freshness takes no --size"),
        (["label_updates", "-c", "roundSeconds=0"], "label_updates takes no --context"),
        (["soak", "-c", "roundSeconds"], "-c takes KEY=VALUE"),
    ],
)
def test_an_option_that_a_benchmark_would_ignore_is_refused(
    arguments: list[str], answer: str
) -> None:
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert result.exit_code == 2
    assert answer in result.stderr


@pytest.mark.parametrize("name", list(Benchmark))
def test_every_benchmark_takes_the_options_the_command_offers_for_it(name: Benchmark) -> None:
    run = import_module(f"benchmarks.{name.value}").run
    assert TAKES[name] <= inspect.signature(run).parameters.keys()


def test_rates_seconds_and_context_reach_the_benchmark(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_: object, **given: object) -> Report:
        asked.update(given)
        return FOUND

    monkeypatch.setattr(freshness, "run", run)
    monkeypatch.setattr(soak, "run", run)
    timed = ["bench", "freshness", "--rate", "5", "--rate", "10", "--seconds", "8"]
    assert CliRunner().invoke(app, timed).exit_code == 0
    assert asked == {"rates": [5, 10], "seconds": 8}
    asked.clear()
    soaked = ["bench", "soak", "--minutes", "0.5", "--seed", "7", "-c", "roundSeconds=0"]
    assert CliRunner().invoke(app, soaked).exit_code == 0
    assert asked == {"minutes": 0.5, "seed": 7, "context": {"roundSeconds": "0"}}

"""Some hundred mutated deltas and messages a boundary: none raises what it does not declare."""

import random

import pytest

from benchmarks.hostile import deltas, messages, set_aside
from benchmarks.hostile.boundary import Boundary

_INPUTS = {"message": 100, "console": 100, "stream": 300, "delta": 40, "delta log": 300}
_INPUTS |= {"failed": 200, "dead": 200, "tag": 200, "at": 200}


@pytest.fixture(scope="module")
def boundaries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Boundary]:
    scratch = tmp_path_factory.mktemp("hostile")
    return {
        one.name: one
        for module in (deltas, messages, set_aside)
        for one in module.boundaries(scratch)
    }


@pytest.mark.invariant(1)
@pytest.mark.domain("delta-hostile")
@pytest.mark.parametrize(
    "name",
    [
        *("delta archive", "delta pages", "delta values", "delta schema", "delta files"),
        *("delta log", "message body", "message attributes", "console input", "stream records"),
        *("failed batch", "dead letter", "tag", "at"),
    ],
)
def test_whatever_is_wrong_with_it_is_said_by_a_declared_error(
    boundaries: dict[str, Boundary], name: str
) -> None:
    boundary = boundaries[name]
    for index in range(_INPUTS.get(name) or _INPUTS[name.split()[0]]):
        sample = boundary.mutated(random.Random(f"{name}:{index}"))  # noqa: S311 - no secret
        try:
            boundary.read(sample)
        except boundary.declared:
            continue


def test_every_boundary_is_tried(boundaries: dict[str, Boundary]) -> None:
    assert len(boundaries) == 14

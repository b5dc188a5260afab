"""A process dies at any AWS call of stage, publish or fold, before it is sent or after it was
applied: HEAD opens and holds one version whole, and the next run goes on.

The calls are those that a run makes today: a new one is covered unasked. ProcessDied still lets
`finally` blocks run; a death that does not is in `test_kills`.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from instep.snapshot.format.head import HeadName
from tests.support.aws import BUCKET
from tests.support.deaths import Moment, ProcessDied, dying
from tests.support.snapshots import NAME, World, a_world, adds, deletes, names, updates

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

NEW: Final = ["w00099"]


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as world:
        world.write(adds(names(20)))
        yield world


def converge(collection: "Collection") -> None:
    """A new word, a label, one word gone; nothing, where that is so already."""
    if not collection.get(ids=NEW)["ids"]:
        for change in (adds(NEW), updates(["w00001"], label="milk"), deletes(["w00002"])):
            change(collection)


def write(world: World) -> None:
    world.write(converge)


def found(world: World) -> object:
    """What a reader finds at HEAD, and whether it has vectors to replay."""
    if world.version() is None:
        return None
    return world.seen(), world.manifest().facts.pending_vectors > 0


@pytest.mark.invariant(2)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("run", [write, World.fold])
def test_head_is_whole_wherever_a_run_dies(
    begun: World, run: Callable[[World], object], moment: Moment
) -> None:
    head = begun.store.objects.get(HeadName(NAME).key).body
    die_everywhere(begun, run, moment, lambda: begun.put(HeadName(NAME).key, head))


@pytest.mark.invariant(2)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_first_version_is_there_whole_or_not_at_all(begun: World, moment: Moment) -> None:
    def rewind() -> None:
        begun.aws.s3.delete_object(Bucket=BUCKET, Key=HeadName(NAME).key)

    die_everywhere(begun, write, moment, rewind)


def die_everywhere(
    world: World, run: Callable[[World], object], moment: Moment, rewind: Callable[[], None]
) -> None:
    """Let the run die at each of its calls, from the same HEAD, and run again."""
    rewind()
    before = found(world)
    run(world)
    after = found(world)
    assert after != before
    died_at: list[str] = []
    for at in count():
        rewind()
        with dying(at, moment) as process, suppress(ProcessDied):
            run(world)
        if not process.dead:
            break
        died_at.append(process.calls[-1])
        assert found(world) in (before, after), died_at
        run(world)
        assert found(world) == after, died_at
    assert died_at.count("PutObject") >= 3, "a pack, a manifest, HEAD"
    assert {"GetObject", "GetItem", "UpdateItem"} < set(died_at)

"""A mapping that has changed: the collection is built anew beside the one that is read."""

from datetime import timedelta

import pytest

from instep.chroma.collection import apply, get_collection
from instep.difference import Addition, Changes, Update
from instep.domain import CollectionSpec
from instep.errors import ConfigurationMissing, SnapshotConflict
from instep.snapshot.acts.anew import take_over, writing_to
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.retention import Retention
from instep.snapshot.acts.sweep import sweep
from instep.snapshot.acts.workspace import open_workspace
from tests.support.snapshots import NAME, World


def write(world: World, identity: str, changes: Changes, *, publish: bool = True) -> str:
    """Write as a function of this identity does; return the version."""
    spec = CollectionSpec(identity=identity)
    with open_workspace(world.store, world.warm, spec=spec) as workspace:
        apply(get_collection(workspace.client, NAME), changes)
        staged = workspace.stage("writer", 1, None, {})
    store = world.store.beside(staged.beside) if staged.beside else world.store
    if publish and staged.changed:
        publish_unleased(store, staged)
    return str(staged.version)


def add(**texts: str) -> Changes:
    return Changes(adds={id_: Addition([1.0, 2.0], {"text": text}) for id_, text in texts.items()})


def texts(world: World) -> dict[str, object]:
    return {id_: one.metadata["text"] for id_, one in world.seen().items()}


@pytest.fixture
def begun(world: World) -> World:
    write(world, "v1-a", add(one="old", two="old"))
    return world


@pytest.mark.invariant(5)
def test_readers_stay_with_the_old_one_until_the_successor_takes_over(begun: World) -> None:
    before = begun.version()
    write(begun, "v2-a", add(one="new"))
    write(begun, "v2-a", add(three="new"))
    assert (begun.version(), texts(begun)) == (before, {"one": "old", "two": "old"})
    assert begun.store.successors() == ["v2-a"]
    done = take_over(begun.store, "v2-a", "operator")
    assert (done.replaced, done.version) == (before, begun.version())
    assert texts(begun) == {"one": "new", "three": "new"}
    assert begun.store.successors() == []
    assert begun.manifest().parent == before
    write(begun, "v2-a", add(four="newer"))  # and goes on as any head does
    assert set(texts(begun)) == {"one", "three", "four"}


def test_a_successor_that_keeps_its_vectors_goes_on_from_the_old_content(begun: World) -> None:
    write(begun, "v1-b", Changes(updates={"one": Update({"text": "changed"})}))
    assert texts(begun) == {"one": "old", "two": "old"}
    take_over(begun.store, "v1-b", "operator")
    assert texts(begun) == {"one": "changed", "two": "old"}
    assert begun.manifest().made_by.identity == "v1-b"


def test_a_head_without_an_identity_is_anybodys(world: World) -> None:
    write(world, "", add(one="old"))
    write(world, "v1-a", add(two="new"))
    assert set(texts(world)) == {"one", "two"}
    assert world.manifest().made_by.identity == "v1-a"


def test_going_back_to_the_old_mapping_goes_on_with_the_head(begun: World) -> None:
    write(begun, "v2-a", add(one="new"))
    write(begun, "v1-a", add(two="again"))
    assert texts(begun) == {"one": "old", "two": "again"}
    assert writing_to(begun.store, "v1-a").head_key == begun.store.head_key


def test_nothing_to_take_over_is_said(begun: World) -> None:
    with pytest.raises(ConfigurationMissing, match="not being built anew"):
        take_over(begun.store, "v2-a", "operator")


@pytest.mark.invariant(3)
def test_a_writer_and_a_take_over_never_both_win_from_one_head(begun: World) -> None:
    write(begun, "v2-a", add(one="new"))
    spec = CollectionSpec(identity="v1-a")
    with open_workspace(begun.store, begun.warm, spec=spec) as workspace:
        apply(get_collection(workspace.client, NAME), add(five="old"))
        staged = workspace.stage("writer", 1, None, {})
        take_over(begun.store, "v2-a", "operator")
        with pytest.raises(SnapshotConflict):
            publish_unleased(begun.store, staged)
    assert texts(begun) == {"one": "new"}


def test_a_sweep_spares_what_is_being_built_however_long_that_takes(begun: World) -> None:
    first = write(begun, "v2-a", add(one="new"))
    staged = write(begun, "v2-a", add(two="new"), publish=False)  # on it, and not published yet
    begun.aws.age_objects(timedelta(days=30))
    going = sweep(begun.store, Retention(1, timedelta(0)))
    assert not {first, staged} & set(going.versions)
    take_over(begun.store, "v2-a", "operator")
    assert texts(begun) == {"one": "new"}

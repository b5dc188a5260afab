"""Two writers in every interleaving of their steps, whatever befalls the lease: no update is lost.

The predecessor validated its lock, paused, and overwrote what others had published meanwhile. Here
every order of the steps is taken (`tests/support/explore.py`), with the lease expiring, freed or
deleted at any moment between them.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.explore import (
    BUSY,
    DEFERRED,
    FAILED,
    FIRST_TRY,
    IGNORED,
    PUBLISHED,
    UNANSWERED,
    Event,
    Explorer,
    State,
    Step,
    Writer,
    deleted_by_hand,
    expiry,
    freed_by_hand,
)
from tests.support.snapshots import World, a_world, adds, names, updates

TWO: Final = (Writer("a", "execution-a"), Writer("b", "execution-b"))
ROUNDS: Final = (Writer("a", "one", starts=1), Writer("b", "one", starts=1, passes=1))
TRIES: Final = (Writer("a", "one", starts=1), Writer("b", "one", starts=1, course=FIRST_TRY))
LOST: Final = (Writer("a", "one", starts=1, course=UNANSWERED), Writer("b", "one", passes=1))
CONTENDED: Final = {PUBLISHED, BUSY, DEFERRED}
ALL_PUBLISH: Final = {(PUBLISHED, PUBLISHED)}


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as world:
        world.write(adds(names(5)))
        yield world


@pytest.mark.invariant(1)
@pytest.mark.invariant(3)
@pytest.mark.parametrize(
    ("writers", "events", "outcomes", "ends"),
    [
        pytest.param(TWO, (expiry, expiry), CONTENDED, ALL_PUBLISH, id="expires twice"),
        pytest.param(TWO, (freed_by_hand,), CONTENDED, ALL_PUBLISH, id="freed by hand"),
        pytest.param(TWO, (deleted_by_hand,), CONTENDED, ALL_PUBLISH, id="deleted by hand"),
        pytest.param(
            ROUNDS,
            (),
            {PUBLISHED, DEFERRED},
            {(PUBLISHED, PUBLISHED), (DEFERRED, PUBLISHED), (PUBLISHED, DEFERRED)},
            id="a round while the one before lives",
        ),
        pytest.param(
            TRIES,
            (expiry,),
            {PUBLISHED, IGNORED},
            {(PUBLISHED, IGNORED)},
            id="a retry while the first try lives",
        ),
        pytest.param(
            LOST,
            (expiry,),
            {PUBLISHED, DEFERRED, FAILED},
            {(FAILED, PUBLISHED)},
            id="an acquire without an answer",
        ),
    ],
)
def test_no_update_is_lost_in_any_interleaving(
    begun: World,
    writers: tuple[Writer, ...],
    events: tuple[Event, ...],
    outcomes: set[str],
    ends: set[tuple[str, ...]],
) -> None:
    """`ends`: what becomes of the writers, in one order or another, and nothing else."""
    explorer = Explorer(begun)
    steps = explorer.explore(explorer.begin(*writers, events=events))
    assert {step.outcome for step in steps} == {None, *outcomes}, "all of it took place somewhere"
    versions_form_a_chain(begun, steps)
    tokens_only_grow(steps, table=deleted_by_hand not in events)
    what_was_acknowledged_stays(begun, steps)
    nobody_frees_what_another_took(steps)
    every_state_comes_to_an_end(steps)
    last = [step.after for step in steps if all(writer.is_over for writer in step.after.writers)]
    assert not any("owner" in state.lease for state in last)
    assert {tuple(writer.outcome for writer in state.writers) for state in last} == ends


def versions_form_a_chain(world: World, steps: list[Step]) -> None:
    moves = {(step.before.version, step.after.version, step.after.tokens[0]) for step in steps}
    for before, after, token in moves:
        manifest = world.store.manifest(after)
        if before != after:
            assert (manifest.parent, manifest.fencing_token) == (before, token)


def tokens_only_grow(steps: list[Step], *, table: bool) -> None:
    """`table`: nobody has tampered with the count, so each run has a token of its own."""
    for step in steps:
        (head, held), (head_after, held_after) = step.before.tokens, step.after.tokens
        assert head_after >= head
        if table:
            assert held_after >= held
            assert head_after > head or step.before.head == step.after.head


def what_was_acknowledged_stays(world: World, steps: list[Step]) -> None:
    wanted: dict[str, set[str]] = defaultdict(set)
    for step in steps:
        for writer in step.after.writers:
            if writer.outcome == PUBLISHED:
                wanted[step.after.version].add(writer.name)
    for version, fields in wanted.items():
        assert fields <= set(world.seen(at=version)["w00001"].metadata)


def nobody_frees_what_another_took(steps: list[Step]) -> None:
    """The paused release of a pass that is over may come while a later one holds the lease."""
    for step in steps:
        if "owner" in step.before.lease and "owner" not in step.after.lease:
            freed = step.before.lease["request"]["S"]
            of_writers = [one.request for one in step.before.writers if one.name == step.by]
            assert of_writers in ([], [freed]), f"{step.by} freed the lease of {freed}"


def every_state_comes_to_an_end(steps: list[Step]) -> None:
    """Nobody waits for ever: from each state there is a way to where all is done."""
    sources: dict[tuple[object, ...], set[tuple[object, ...]]] = defaultdict(set)
    ends = set()
    for step in steps:
        sources[step.after.key].add(step.before.key)
        if all(writer.is_over for writer in step.after.writers):
            ends.add(step.after.key)
    reached, waiting = set(ends), list(ends)
    while waiting:
        new = sources[waiting.pop()] - reached
        reached |= new
        waiting += new
    assert {step.before.key for step in steps} <= reached


@pytest.mark.invariant(3)
def test_the_predecessors_loss_step_by_step(begun: World) -> None:
    """A validates and pauses, its lease expires, B reads the old version; A publishes, B publishes.

    A wins by the compare-and-swap though its lease is gone; B finds HEAD moved and applies again.
    """
    explorer = Explorer(begun)
    state = explorer.begin(*TWO, events=(expiry,))
    state = run(explorer, state, "a", until="GetItem")  # acquired, staged, validated
    state = next(s.after for s in explorer.steps(state) if s.by == "expiry")
    state = run(explorer, state, "b", until="GetObject")
    old = state.version
    state = run(explorer, state, "a", until="PutObject")
    by_a = state.version
    assert begun.store.manifest(by_a).parent == old
    state = run(explorer, state, "b", until=PUBLISHED)
    assert begun.store.manifest(state.version).parent == by_a
    state = run(explorer, state, "a", until=PUBLISHED)
    assert {"a", "b"} <= set(begun.seen()["w00001"].metadata)


def run(explorer: Explorer, state: State, name: str, *, until: str) -> State:
    """Let one writer go on until it has made that call, or come to that outcome."""
    at = [writer.name for writer in state.writers].index(name)
    while True:
        step = explorer.step(state, at)
        state, writer = step.after, step.after.writers[at]
        if until == (step.outcome or writer.answers[-1].operation):
            return state


def test_what_a_writer_makes_before_it_confirms_is_its_own(begun: World) -> None:
    """Why materialise, apply and stage need no steps of their own above."""
    calls: list[tuple[str, str]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        calls.append((model.name, params["Key"]))

    before = begun.objects()
    begun.aws.s3.meta.events.register("before-parameter-build.s3", note)
    begun.stage(updates(["w00001"], a=True), root=begun.fresh_directory())
    begun.aws.s3.meta.events.unregister("before-parameter-build.s3", note)
    assert calls[0] == ("GetObject", "words/HEAD"), "the one mutable thing it looks at, and first"
    assert all(key.split("/")[1] in {"packs", "versions"} for _, key in calls[1:])
    assert {name for name, _ in calls} == {"GetObject", "PutObject"}
    written = {key for name, key in calls if name == "PutObject"}
    assert len(written) == 2
    assert not written & before.keys()
    assert before.items() <= begun.objects().items()

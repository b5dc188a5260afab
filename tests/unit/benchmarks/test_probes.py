"""A probe is seen when its word carries it or a later one, and only then."""

from time import monotonic

import pytest

from benchmarks.measure import percentile
from benchmarks.papers import Papers
from benchmarks.probed_edits import Edits
from benchmarks.probes import Probe, Sightings
from benchmarks.soak import Stranding


def probe(number: int, word: str = "w") -> Probe:
    return Probe(number, word, monotonic())


def test_a_probe_shows_by_its_own_value_or_a_later_ones() -> None:
    own = probe(41).item["label_proposed_by"]["S"]
    later = probe(42).item["label_proposed_by"]["S"]
    assert probe(41).shown_by(own)
    assert probe(41).shown_by(later)
    assert not probe(42).shown_by(own)
    assert not probe(41).shown_by(None)
    assert not probe(41).shown_by("edit-r0_10-3")


def test_who_was_not_seen_is_never_visible() -> None:
    sightings = Sightings()
    seen, unseen = probe(0, "a"), probe(1, "b")
    sightings.expect(seen)
    sightings.expect(unseen)
    carried: dict[str, object] = {"a": seen.item["label_proposed_by"]["S"], "b": None}
    sightings.look(lambda words: {word: carried[word] for word in words})
    assert not sightings.all_seen
    figures = sightings.figures("r0_1")
    assert (figures["r0_1_probes"], figures["r0_1_never_visible"]) == (2, 1)
    assert 0 <= figures["r0_1_p50_s"] == figures["r0_1_max_s"] < 60
    carried["b"] = unseen.item["label_proposed_by"]["S"]
    sightings.look(lambda words: {word: carried[word] for word in words})
    assert sightings.all_seen


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 10), (0.95, 19), (1.0, 20)])
def test_a_percentile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert percentile([float(n) for n in range(20, 0, -1)], share) == value


def test_no_edit_falls_on_a_probes_word_and_edits_come_to_every_other() -> None:
    edits = Edits(Papers(3))
    probed = {edits.probe(number).word for number in range(3)}
    edited = {edits.word(number) for number in range(3 * 99)}
    assert len(probed) == 3
    assert len(edited) == 3 * 99
    assert not probed & edited


def test_messages_are_stranded_from_the_first_look_that_found_nothing_running() -> None:
    stranding = Stranding()
    for at, messages, running in [
        (0, 5, 1),
        (1, 5, 0),
        (3, 2, 0),
        (4, 0, 0),
        (9, 1, 0),
        (10, 1, 1),
    ]:
        stranding.sample(at, messages, running)
    assert stranding.longest == 2

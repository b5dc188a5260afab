"""Readers in threads and processes on one directory, while a writer publishes: is every answer of
exactly one version?

An answer is right when all its words are of one round, and of the version that the snapshot called
itself when it did so before and after the call alike. `versions_per_s` is what the writer reached
beside them.
"""

import multiprocessing
from collections.abc import Mapping
from contextlib import ExitStack
from multiprocessing.connection import Connection
from threading import Event
from time import monotonic
from uuid import uuid4

import numpy as np

from benchmarks.endpoint import empty_bucket
from benchmarks.followers import Answer, Told, follow
from benchmarks.measure import Figures
from benchmarks.ours import Instep
from benchmarks.report import Report, at_least, at_most
from benchmarks.stage import Stage
from benchmarks.workload import Words

SECONDS = 120
THREADS = 8
PROCESSES = 4
RATE = 10  # versions a second
WORDS = 100
TARGETS = {
    "wrong_answers": at_most(0),
    "errors": at_most(0),
    "versions_seen": at_least(1),
}

_WIDTH = 8
_ADDS_EVERY = 7  # rounds: a new vector, for which chromadb opens its files again


def run(
    stage: Stage,
    seconds: float = SECONDS,
    processes: int = PROCESSES,
    threads: int = THREADS,
) -> Report:
    """Return what the readers saw."""
    bucket = f"readers-{uuid4().hex}"
    empty_bucket(stage.endpoint.s3(), bucket)
    writer = _Writer(stage.instep(bucket))
    writer.publish()
    told = Told()
    with ExitStack() as ending:
        lines = [_started(stage, bucket, threads, seed, ending) for seed in range(processes)]
        for line in lines:
            line.recv()
        took = writer.publish_for(seconds)
        for line in lines:
            line.send("end")
        for line in lines:
            _add(told, line.recv())
    return Report(
        "readers",
        f"{seconds:g} s, {processes} processes of {threads} threads on one directory, "
        f"{WORDS} words and up, each written anew in every version",
        _figures(told, writer, took),
        TARGETS,
    )


def _started(stage: Stage, bucket: str, threads: int, seed: int, ending: ExitStack) -> Connection:
    ours, theirs = multiprocessing.Pipe()
    directory = stage.scratch / "copies"
    child = multiprocessing.get_context("spawn").Process(
        target=follow,
        args=(stage.endpoint.url, bucket, directory, threads, seed, theirs),
        daemon=True,
    )
    child.start()
    ending.callback(child.join)
    return ours


class _Writer:
    """Publishes rounds: every word says which one wrote it, and now and then there is one more."""

    def __init__(self, side: Instep) -> None:
        self._side = side
        self.published: dict[str, tuple[int, int]] = {}
        """A version's round, and how many words it has."""

    def publish(self) -> None:
        """Publish the next round."""
        number = len(self.published)
        words = WORDS + number // _ADDS_EVERY
        self._side.add_words(
            Words(
                [f"word-{at}" for at in range(words)],
                np.arange(words * _WIDTH, dtype=np.float32).reshape(words, _WIDTH),
                [{"round": number} for _ in range(words)],
                [f"of round {number}" for _ in range(words)],
            )
        )
        head = self._side.store.head()
        if head is not None:
            self.published[head.version] = (number, words)

    def publish_for(self, seconds: float) -> float:
        """Publish at the rate, or as fast as it goes; return for how long that was."""
        began, pause = monotonic(), Event()
        while (passed := monotonic() - began) < seconds:
            self.publish()
            pause.wait(max(0.0, began + passed + 1 / RATE - monotonic()))
        return monotonic() - began


def _add(told: Told, more: Told) -> None:
    told.answers += more.answers
    told.mixed += more.mixed
    told.errors += more.errors
    told.acts += more.acts


def _figures(told: Told, writer: _Writer, took: float) -> Figures:
    wrong = [answer for answer in told.answers if not _is_right(answer, writer.published)]
    return {
        "wrong_answers": sum(told.answers[one] for one in wrong) + len(told.mixed),
        "errors": sum(told.errors.values()),
        "versions_seen": len({round_ for _, _, round_, _ in told.answers}),
        "versions_published": len(writer.published),
        "versions_per_s": round((len(writer.published) - 1) / took, 2),
        "answers": sum(told.answers.values()),
        **{act: told.acts[act] for act in ("refreshed", "replaced", "opened", "pinned")},
    }


def _is_right(answer: Answer, published: Mapping[str, tuple[int, int]]) -> bool:
    """Say whether it is one version's, whole: that which the snapshot was at, when it stayed."""
    before, after, *content = answer
    if before == after:
        return published[before] == tuple(content)
    return published[before] <= tuple(content) <= published[after] and (
        tuple(content) in published.values()
    )

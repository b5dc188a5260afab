"""Readers in threads and processes on one directory, while a writer publishes: is every answer of
exactly one version?

An answer is right when all its words are of one round, and of the version that the snapshot called
itself when it did so before and after the call alike.

The versions are published beforehand, folds among them, and then become the head one after the
other, as fast as is asked: a writer beside so many readers gets no processor to make them with.
"""

import multiprocessing
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import count
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
from instep.snapshot.acts.folding import needs_fold

SECONDS = 120
THREADS = 8
PROCESSES = 4
RATE = 10  # versions a second
WORDS = 100
TARGETS = {
    "wrong_answers": at_most(0),
    "errors": at_most(0),
    "versions_per_s": at_least(0.95 * RATE),
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
    writer.publish(max(2, round(seconds * RATE)))
    told = Told()
    with ExitStack() as ending:
        lines = [_started(stage, bucket, threads, seed, ending) for seed in range(processes)]
        for line in lines:
            line.recv()
        took = writer.show_all()
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
        self._heads: list[bytes] = []
        self.published: dict[str, tuple[int, int]] = {}
        """A version's round, and how many words it has."""

    def publish(self, versions: int) -> None:
        """Publish so many versions, folds among them; the first is the head then."""
        for number in count():
            if len(self._heads) >= versions:
                break
            words = WORDS + number // _ADDS_EVERY
            self._side.add_words(
                Words(
                    [f"word-{at}" for at in range(words)],
                    np.arange(words * _WIDTH, dtype=np.float32).reshape(words, _WIDTH),
                    [{"round": number} for _ in range(words)],
                    [f"of round {number}" for _ in range(words)],
                )
            )
            self._note(number, words)
            if needs_fold(self._side.manifest()):
                self._side.fold()
                self._note(number, words)
        self._show(self._heads[0])

    def show_all(self) -> float:
        """Let each be the head in turn, at the rate; return how long that took, in seconds."""
        began, pause = monotonic(), Event()
        for number, head in enumerate(self._heads):
            pause.wait(max(0.0, began + number / RATE - monotonic()))
            self._show(head)
        return monotonic() - began

    def _note(self, number: int, words: int) -> None:
        self._heads.append(self._side.head())
        self.published[self._side.manifest().version] = (number, words)

    def _show(self, head: bytes) -> None:
        self._side.store.objects.put(self._side.store.head_key, head)


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

"""A demo's voice: chapters with their time, executions as they come, versions and their bytes."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Final

from instep.cli.drift import Progress, read_everything
from instep.cli.following import follow_with_progress
from instep.cli.letters import Letters
from instep.cli.output import Refused, answers, bytes_text, headline, plain_table, remarks
from instep.cli.session import Session
from instep.cli.verify import search_each, show
from instep.cli.wait import under_way, wait_for_everything
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.manifest import Manifest

_RUN_SECONDS: Final = 120.0
_ARRIVE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.15
_QUIET_POLLS: Final = 6  # about a second without work: the stream has delivered


@contextmanager
def chapter(title: str) -> Iterator[None]:
    """Head a part of the story, and say how long it took."""
    answers.print()
    headline(title)
    began = monotonic()
    yield
    answers.print(f"[dim]{monotonic() - began:.1f} s[/]")


@contextmanager
def working(text: str) -> Iterator[Progress]:
    """Show a moving line while something long goes on; call it with what it is at."""
    with remarks.status(text) as line:
        yield line.update


class Watcher:
    """Shows each execution once, whoever started it, a state at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: set[str] = set()

    def show_new(self) -> bool:
        """Follow the executions that were not shown yet, oldest first; whether there were any."""
        listed = self._session.stepfunctions.list_executions(
            stateMachineArn=self._session.deployment.state_machine_arn
        )["executions"]
        fresh = [each for each in listed if each["executionArn"] not in self._shown]
        for each in sorted(fresh, key=lambda entry: entry["startDate"]):
            follow_with_progress(self._session, each["executionArn"], _RUN_SECONDS)
            self._shown.add(each["executionArn"])
        return bool(fresh)

    def until_in_step(self) -> None:
        """Show executions until everything written is in the heads; Refused if it never is."""
        pause, quiet = threading.Event(), 0
        with working("waiting for the table's stream") as progress:
            while quiet < _QUIET_POLLS:
                pause.wait(_POLL_SECONDS)
                busy = under_way(self._session)
                progress(busy or "waiting for the table's stream")
                quiet = 0 if self.show_new() or busy else quiet + 1
        with working("comparing every embedding with the table") as progress:
            missing = wait_for_everything(
                self._session,
                list(self._session.domain.collections),
                _ARRIVE_SECONDS,
                progress,
                self.show_new,
            )
        if not missing.nothing:
            raise Refused(
                f"{missing} still open after {_ARRIVE_SECONDS:.0f} s: look with --keep and "
                f"`instep status`"
            )


def published(session: Session, since: Mapping[str, str]) -> list[Manifest]:
    """Return the versions after those in `since` (by collection, None: all), oldest first."""
    found: list[Manifest] = []
    for collection in session.domain.collections:
        store, newest_first = SnapshotStore(session.objects, collection), []
        head = store.head()
        version = None if head is None else head.version
        while version is not None and version != since.get(collection):
            newest_first.append(store.manifest(version))
            version = newest_first[-1].parent
        found += reversed(newest_first)
    return found


def shipped(version: Manifest) -> tuple[int, int]:
    """Return the bytes that a version brought to S3, and those of the whole snapshot, unpacked."""
    layers = [layer for file in version.files.values() for layer in file.layers]
    brought = sum(layer.bytes for layer in layers if layer.version == version.version)
    return brought, sum(file.size for file in version.files.values())


def show_versions(versions: Sequence[Manifest]) -> None:
    """Print what versions shipped, beside what the predecessor moved: the whole snapshot."""
    table = plain_table("collection", "version", "embeddings", "moved by the run", "whole snapshot")
    for one in versions:
        brought, whole = map(bytes_text, shipped(one))
        table.add_row(one.collection, one.version, f"{one.facts.embeddings:,}", brought, whole)
    answers.print(table)


def verified(session: Session) -> bool:
    """Compare every embedding with the table, and show it; whether all are in step."""
    with chapter("verify: every embedding against the table"):
        with working("reading") as progress:
            reading = read_everything(session, list(session.domain.collections), progress)
            progress("searching")
            searched = search_each(session, reading)
        show(reading, Letters(), searched)
    return reading.in_step

"""Which releases of chromadb may read: those that the record says were tried and failed nothing."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.reader_contract import QUESTIONS, World
from benchmarks.reader_releases import RECORD, publish_world
from instep.chroma import sqlite_wal
from instep.chroma.installed import READERS, WRITER
from tests.support.aws import services

TRIED = json.loads(RECORD.read_text())


def test_a_reader_takes_what_was_tried_and_nothing_else() -> None:
    fit = {
        release
        for release, found in TRIED.items()
        if not found["failed"] and found["schema"] == sqlite_wal._SCHEMA
    }
    assert {*READERS} == {WRITER, *fit}
    assert len(fit) >= 3


def test_what_was_tried_and_does_not_do_is_on_record_with_its_reason() -> None:
    refused = {release: found for release, found in TRIED.items() if release not in READERS}
    assert refused
    for release, found in refused.items():
        assert found["schema"] != sqlite_wal._SCHEMA or found["failed"], release


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Versions of every kind, on moto."""
    with pytest.MonkeyPatch.context() as patch, services(patch) as aws:
        yield World(**publish_world(aws.s3, tmp_path_factory.mktemp("world")))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.__name__)
def test_the_writers_release_passes_what_the_others_were_asked(
    world: World, question: Callable[[World, Path], None], tmp_path: Path
) -> None:
    question(world, tmp_path)

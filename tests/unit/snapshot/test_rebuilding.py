"""Of a foreign directory only vectors and records are taken: no byte of its index is ever followed.

An index that was tampered with killed the import, or every reader's search, with a signal, or took
all the machine's memory: what is known to do so is tried in a process of its own.
"""

import resource
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instep.chroma.collection import opened
from instep.chroma.foreign.whole import read_foreign
from instep.chroma.hnsw.layout import ELEMENTS, HEADER, LINKS, read_layout
from instep.chroma.sqlite_rows import SQLITE
from instep.difference import Addition
from instep.errors import ImportRejected
from instep.snapshot.acts.rebuilding import rebuild
from instep.snapshot.format.manifest import Facts
from tests.support.predecessor import write_directory
from tests.support.processes import FORKED
from tests.support.snapshots import (
    NAME,
    adds,
    assert_searched,
    deletes,
    names,
    seen_in,
    updates,
    vector,
)

ENOUGH = 4 << 30  # bytes of address space
NARROW = {"hnsw": {"space": "l2", "sync_threshold": 50, "batch_size": 20}}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of 40: some in its index, some in its log, some deleted or changed."""
    acts = (adds(names(60)), deletes(names(20)), updates(names(5, 30), colour="red"))
    theirs = tmp_path_factory.mktemp("healthy") / "theirs"
    return write_directory(theirs, *acts, configuration=NARROW)


@pytest.fixture
def theirs(healthy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(healthy, tmp_path / "theirs"))


def rebuilt(theirs: Path, made: Path) -> Facts:
    return rebuild(theirs, made, NAME, read_foreign, lambda _: {}, lambda *_: None)


def search(made: Path) -> None:
    with opened(made, NAME) as collection:
        assert_searched(collection, names(40, 20))


def edit(theirs: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(theirs / SQLITE)) as database:
        database.execute(statement, values)
        database.commit()


def lead_astray(theirs: Path) -> None:
    """Let the links of every element lead far behind the end of the index."""
    segment = next(theirs.rglob(ELEMENTS)).parent
    layout = read_layout(segment)
    body = bytearray((segment / ELEMENTS).read_bytes())
    for at in range(0, layout.count * layout.width, layout.width):
        body[at + 4 : at + layout.vector_at] = b"\xff\xff\xff\x7f" * (layout.vector_at // 4 - 1)
    (segment / ELEMENTS).write_bytes(body)


def claim_levels(theirs: Path) -> None:
    (links,) = theirs.rglob(LINKS)
    links.write_bytes(b"\xff\xff\xff\x7f" * 1000)


def enter_elsewhere(theirs: Path) -> None:
    """Let a search begin at an element there is not, on a level there is not."""
    (header,) = theirs.rglob(HEADER)
    body = bytearray(header.read_bytes())
    body[56:64] = b"\xff\xff\xff\x7f" * 2
    header.write_bytes(body)


def rebuild_and_search(theirs: Path, made: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ENOUGH, ENOUGH))
    facts = rebuilt(theirs, made)
    assert (facts.embeddings, facts.pending_vectors) == (40, 0)
    search(made)


@pytest.mark.parametrize("tamper", [lead_astray, claim_levels, enter_elsewhere])
def test_an_index_that_kills_who_follows_it_is_not_followed(
    theirs: Path, tmp_path: Path, tamper: object
) -> None:
    held = seen_in(Path(shutil.copytree(theirs, tmp_path / "beside")))
    assert callable(tamper)
    tamper(theirs)
    process = FORKED.Process(target=rebuild_and_search, args=(theirs, tmp_path / "made"))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert seen_in(tmp_path / "made") == held


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
@pytest.mark.parametrize("legacy", [False, True], ids=["configuration", "metadata"])
def test_distances_stay_what_they_were(tmp_path: Path, space: str, legacy: bool) -> None:
    told = {"metadata": {"hnsw:space": space}} if legacy else {"configuration": _hnsw(space)}
    theirs = write_directory(tmp_path / "theirs", adds(names(30, 1)), **told)
    answers = []
    with_copy = shutil.copytree(theirs, tmp_path / "copy")
    rebuilt(theirs, tmp_path / "made")
    for directory in (Path(with_copy), tmp_path / "made"):
        with opened(directory, NAME) as collection:
            near: Any = [vector("w00007")]
            found = collection.query(query_embeddings=near, n_results=5)
        assert found["distances"] is not None
        answers.append(found["distances"][0])
    assert answers[1] == pytest.approx(answers[0], abs=1e-4)


def _hnsw(space: str) -> dict[str, dict[str, object]]:
    return {"hnsw": {"space": space}}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE embedding_metadata SET key = 'chroma:x' WHERE key = 'colour'", "w000.*key"),
        (
            "UPDATE embedding_metadata SET string_value = NULL, float_value = 9e999"
            " WHERE key = 'colour'",
            "w000.*finite",
        ),
        ("UPDATE embeddings SET embedding_id = '' WHERE embedding_id = 'w00030'", "''"),
        ("UPDATE collections SET dimension = 'x'", "40|made anew|embeddings"),
    ],
)
def test_what_chromadb_does_not_carry_is_refused_by_its_id(
    theirs: Path, tmp_path: Path, statement: str, said: str
) -> None:
    edit(theirs, statement)
    if "dimension" in statement:  # nothing reads it here: the vectors say how wide they are
        assert rebuilt(theirs, tmp_path / "made").embeddings == 40
        return
    with pytest.raises(ImportRejected, match=said):
        rebuilt(theirs, tmp_path / "made")


def test_vectors_of_two_widths_are_refused(tmp_path: Path) -> None:
    records = {"a": Addition([1.0, 2.0], {}), "b": Addition([1.0], {})}
    theirs = write_directory(tmp_path / "theirs")
    with pytest.raises(ImportRejected, match=r"1 of its embeddings, so 'b'.*1 numbers"):
        rebuild(theirs, tmp_path / "made", NAME, lambda *_: records, lambda _: {}, lambda *_: None)


def test_progress_ends_at_all_of_them(theirs: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    rebuild(
        theirs, tmp_path / "made", NAME, read_foreign, lambda _: {}, lambda *step: told.append(step)
    )
    assert told[-1] == (40, 40)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32))
def test_whatever_was_changed_the_import_says_no_or_a_search_goes_well(
    healthy: Path, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    dice = Random(seed)  # noqa: S311 - no secret
    scratch = tmp_path_factory.mktemp("mutated")
    theirs = Path(shutil.copytree(healthy, scratch / "theirs"))
    files = sorted(path for path in theirs.rglob("*") if path.is_file() and path.stat().st_size)
    path = dice.choice(files)
    body = bytearray(path.read_bytes())
    for _ in range(dice.choice([1, 3, 10])):
        at = dice.randrange(len(body))
        body[at : at + 4] = dice.choice([0, 2**31 - 1, 2**32 - 1, 10**6]).to_bytes(4, "little")
    path.write_bytes(body)
    try:
        facts = rebuilt(theirs, scratch / "made")
    except ImportRejected:
        return
    with opened(scratch / "made", NAME) as collection:
        assert collection.count() == facts.embeddings
        if facts.embeddings:
            near: Any = [vector("x")]
            collection.query(query_embeddings=near, n_results=10)

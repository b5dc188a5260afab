"""A directory a process: nobody shares one, the dead give theirs up, free ones do not pile up."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instep.snapshot.copy.claim import MARK, claim


def test_each_gets_its_own_and_the_free_ones_go(tmp_path: Path) -> None:
    with claim(tmp_path) as one, claim(tmp_path) as two, claim(tmp_path) as three:
        assert len({one, two, three}) == 3
    with claim(tmp_path) as again:
        assert again == one
        assert sorted(tmp_path.iterdir()) == [one]


def test_what_lies_in_a_directory_is_still_there_for_the_next(tmp_path: Path) -> None:
    with claim(tmp_path) as directory:
        (directory / "kept").write_text("x")
    with claim(tmp_path) as directory:
        assert (directory / "kept").read_text() == "x"


def test_other_files_under_the_root_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with claim(tmp_path):
        assert (tmp_path / "notes").is_dir()


def test_a_killed_process_gives_its_directory_up(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from instep.snapshot.copy.claim import claim\n"
        "with claim(Path(sys.argv[1])) as directory:\n"
        "    print(directory, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": "src"},
    ) as child:
        assert child.stdout is not None
        first = Path(child.stdout.readline().strip())
        with claim(tmp_path) as mine:
            assert mine != first
        child.kill()
        child.wait()
    with claim(tmp_path) as mine:
        assert mine == first


def test_a_killed_removal_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claim(tmp_path), claim(tmp_path) as second:
        (second / "data").mkdir()
        (second / "data" / "file").write_text("x")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rmdir", _dies)
        with pytest.raises(KeyboardInterrupt), claim(tmp_path):
            pass
    with claim(tmp_path) as first:
        assert {path.name: [*path.iterdir()] for path in tmp_path.iterdir()} == {
            first.name: [first / MARK],
            second.name: [],
        }, "what is left is empty: the next to need it takes it"


def _dies(_: Path) -> None:
    raise KeyboardInterrupt


def test_what_cannot_be_removed_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with claim(tmp_path), claim(tmp_path) as second:
        pass
    with monkeypatch.context() as patch:
        patch.setattr("instep.snapshot.copy.claim.remove", _refused)
        with claim(tmp_path) as mine:
            assert mine != second
    assert f"{second} is free and cannot be removed" in caplog.text


def _refused(_: Path) -> None:
    raise PermissionError("not yours")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
def test_a_disk_that_fails_is_told_and_no_directory_after_the_other_is_tried(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = iter([OSError(number, os.strerror(number))] * 5)

    def fails(*arguments: Any) -> int:
        for error in refusals:
            raise error
        return opens(*arguments)

    opens = os.open
    monkeypatch.setattr(os, "open", fails)
    with pytest.raises(OSError, match=os.strerror(number)), claim(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


def folder_with(path: Path, *files: str) -> Path:
    path.mkdir()
    for name in files:
        (path / name).touch()
    return path


ODD: Final[dict[str, Callable[[Path], object]]] = {
    "nothing": lambda _: None,
    "an empty folder": Path.mkdir,
    "a file": lambda path: path.write_text("theirs"),
    "a folder of somebody": lambda path: folder_with(path, "theirs"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to a folder of ours": lambda path: path.symlink_to(path.parents[1] / "ours"),
    "a pipe": os.mkfifo,
    "a folder marked by a link": lambda path: folder_with(path).joinpath(MARK).symlink_to(path),
    "a copy of ours": lambda path: folder_with(path, MARK, "x"),
}
NAMES: Final = ("0", "1", "2", "7", "00", "-1", "²", "notes", "1e3")


@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(ODD)), max_size=6))
@settings(max_examples=60, deadline=None)
def test_only_what_bears_our_mark_is_ever_removed(lies_there: dict[str, str]) -> None:
    with TemporaryDirectory() as scratch:
        root, ours = Path(scratch, "root"), Path(scratch, "ours")
        root.mkdir()
        ours.mkdir()
        (ours / MARK).touch()
        for name, what in lies_there.items():
            ODD[what](root / name)
        for _ in range(2):
            with claim(root) as mine:
                assert mine.is_dir()
                (mine / "work").write_text("x")
        for name, what in lies_there.items():
            gone = not os.path.lexists(root / name)
            assert not gone or what in {"nothing", "a copy of ours"}
            if what in {"a folder of somebody", "a folder marked by a link"}:
                assert len(list((root / name).iterdir())) == 1, "nothing is added or taken"
        assert [path.name for path in ours.iterdir()] == [MARK]

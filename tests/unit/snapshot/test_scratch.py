"""Scratch folders: the owner's while he lives, nobody's afterwards, and never somebody else's."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from instep.scratch import scratch_folder, sweep_scratch
from tests.support.processes import killed_in_scratch


def test_it_is_gone_when_the_block_ends_however_it_ends(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "delta") as folder:
        (folder / "file").touch()
    with suppress(KeyError), scratch_folder(tmp_path, "delta") as folder:
        (folder / "file").touch()
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = killed_in_scratch(tmp_path)
    with scratch_folder(tmp_path, "import"):
        assert not left.exists()
    killed_in_scratch(tmp_path)
    sweep_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_living_keep_theirs(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "delta") as one, scratch_folder(tmp_path, "delta") as other:
        sweep_scratch(tmp_path)
        assert one != other
        assert one.is_dir()
        assert other.is_dir()


def test_nobody_elses_is_touched(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "delta-1").mkdir()
    (root / "instep-scratch-link").symlink_to(theirs)
    (root / "instep-scratch-file").touch()
    before = sorted(root.iterdir())
    sweep_scratch(root)
    assert sorted(root.iterdir()) == before
    assert (theirs / "thesis.txt").exists()


def test_a_root_that_is_not_there_has_nothing_to_sweep(tmp_path: Path) -> None:
    sweep_scratch(tmp_path / "nowhere")


def test_one_that_cannot_be_owned_is_no_reason_to_make_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(OSError, match="Too many"), scratch_folder(tmp_path, "delta"):
            pass
    sweep_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == []

"""A directory a process: nobody shares one, the dead give theirs up, free ones do not pile up."""

import subprocess
import sys
from pathlib import Path

from instep.snapshot.claim import claim


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
        "import sys; from pathlib import Path; from instep.snapshot.claim import claim\n"
        "with claim(Path(sys.argv[1])) as directory:\n"
        "    print(directory, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": "functions/layer"},
    ) as child:
        assert child.stdout is not None
        first = Path(child.stdout.readline().strip())
        with claim(tmp_path) as mine:
            assert mine != first
        child.kill()
        child.wait()
    with claim(tmp_path) as mine:
        assert mine == first

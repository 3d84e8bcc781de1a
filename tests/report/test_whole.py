"""A file is what it was, or what it is to be; nothing in between, and nothing beside it."""

import subprocess
import sys

import pytest

from gradwire.report.whole import whole, write_text


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "table.md"
    write_text(path, "old")
    with whole(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), whole(tmp_path / "table.md") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_two_writers_do_not_meet(tmp_path):
    with whole(tmp_path / "x") as one, whole(tmp_path / "x") as other:
        assert one != other
        one.touch(), other.touch()


def test_what_a_killed_process_left_goes_with_the_next_writing(tmp_path):
    path = tmp_path / "table[1].md"
    killed = "import os, pathlib, sys\nfrom gradwire.report.whole import whole\nwith whole(pathlib.Path(sys.argv[1])) as part:\n"
    subprocess.run([sys.executable, "-c", f"{killed}    part.write_text('half')\n    os.kill(os.getpid(), 9)", str(path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith("table[1].md.") and left.read_text() == "half"
    write_text(tmp_path / "table.md", "another file")
    assert left.exists()
    write_text(path, "new")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "table.md", path]


def test_what_is_being_written_stays(tmp_path):
    with whole(tmp_path / "x") as one:
        one.write_text("one")
        write_text(tmp_path / "x", "other")
        assert one.read_text() == "one"
    assert (tmp_path / "x").read_text() == "one" and len(list(tmp_path.iterdir())) == 1


def test_a_link_in_the_place_of_a_part_is_left_alone(tmp_path):
    (tmp_path / "target").write_text("kept")
    (tmp_path / "x.0.part").symlink_to(tmp_path / "target")
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "target").read_text() == "kept" and (tmp_path / "x.0.part").is_symlink()

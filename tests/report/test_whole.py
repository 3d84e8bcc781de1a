"""A file is what it was, or what it is to be; nothing in between, and nothing beside it."""

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

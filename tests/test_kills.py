"""A short version of kills.py, which says what is checked."""

from pathlib import Path

import pytest

from gradwire.launch import find_mpiexec


@pytest.mark.skipif(find_mpiexec() is None, reason="no mpiexec beside this Python or on PATH: pip install mpich")
def test_killed_at_random_moments_and_resumed_it_is_as_if_nothing_had_happened(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import kills

    assert kills.main(8, 5, tmp_path, print) == 8

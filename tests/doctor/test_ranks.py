"""The part that takes ranks: folders that some do not see, pairs and their figures."""

import time

import pytest

from gradwire.doctor import facts, ranks


def test_pairs():
    assert ranks.pairs_of(1) == []
    assert ranks.pairs_of(2) == [(0, 1)]
    assert ranks.pairs_of(4) == [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3)]


@pytest.mark.parametrize(
    ("size", "level", "status", "words"),
    [
        (2, 3, "ok", "2 on 2 hosts (a, b), thread level MULTIPLE"),
        (2, 0, "warning", "thread level SINGLE"),
        (1, 3, "ok", "1 on 1 host (a), thread level MULTIPLE"),
        (12, 7, "ok", "12 on 12 hosts (a, b, c, d, e, f, g, h, …), thread level 7"),
    ],
)
def test_worlds(facts, one, size, level, status, words):
    found = one(ranks.check_world(size, [facts(host) for host in "abcdefghijkl"[:size]], level))
    assert (found.status, found.found) == (status, words) or (status == "warning" and words in found.found)
    assert ("--ranks 2" in found.advice) == (size == 1)


@pytest.mark.ranks(3)
def test_a_folder_that_one_rank_does_not_see(comm, shared_path, monkeypatch):
    monkeypatch.setattr(ranks, "SEEN_WITHIN_S", 0.2)
    mine = shared_path if comm.rank != 2 else shared_path / "elsewhere"
    if comm.rank == 2:
        mine.mkdir()
    comm.Barrier()
    found = ranks.check_shared(comm, "cache", mine, "set GRADWIRE_CACHE")
    if comm.rank:
        assert found == []
    else:
        (found,) = found
        assert (
            found.status == "problem" and "1 of 3 ranks do not see what rank 0 writes, such as rank 2: no .gradwire-doctor-" in found.found
        )
        assert found.advice == "set GRADWIRE_CACHE"
        assert [path.name for path in shared_path.iterdir()] == ["elsewhere"]


@pytest.mark.ranks(2)
def test_a_folder_that_is_a_file_for_one_rank(comm, shared_path):
    (shared_path / f"file{comm.rank}").touch()
    for blind in (0, 1):
        found = ranks.check_shared(comm, "results", shared_path if comm.rank != blind else shared_path / f"file{blind}", "share it")
        # What rank 0 cannot write to is said by the check of the disk.
        expected = ["problem"] if comm.rank == 0 and blind == 1 else []
        assert [each.status for each in found] == expected
        assert not expected or "is not a folder" in found[0].found


@pytest.mark.ranks(1, 3)
def test_a_folder_that_all_see(comm, shared_path):
    found = ranks.check_shared(comm, "results", shared_path / "to" / "be", "")
    assert [each.status for each in found] == (["ok"] if comm.rank == 0 else [])
    comm.Barrier()
    assert list(shared_path.iterdir()) == []


@pytest.mark.ranks(2, 3)
def test_pairs_are_measured(comm):
    stages = []
    pairs, skipped = ranks.measure_pairs(comm, [0, 0, 2][: comm.size], stages.append)
    assert stages == [f"measuring between ranks {a} and {b}" for a, b in ranks.pairs_of(comm.size)]
    assert skipped == 0
    if comm.rank:
        assert pairs == []
        return
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (0, 2), (1, 2)][: len(pairs)]
    assert [pair.same_host for pair in pairs] == [True, False, False][: len(pairs)]
    for pair in pairs:
        median, low, high = pair.latency_s
        assert 0 < low <= median <= high < 0.5 and pair.bytes_per_s > 1e6 and 40_000 <= pair.nbytes <= 4_000_000


@pytest.mark.ranks(3)
def test_pairs_beyond_the_time_are_left_out(comm):
    pairs, skipped = ranks.measure_pairs(comm, [0, 0, 0], lambda words: time.sleep(0.3), limit_s=0.1)
    assert skipped == 3 and pairs == []


@pytest.mark.ranks(2)
def test_all_of_it(comm, shared_path):
    found, mine = [], facts.collect() | {"node": 0}
    ranks.examine(comm, mine, 3, str(shared_path), dict, found, lambda words, found: None)
    assert bool(found) == (comm.rank == 0)
    if found:
        expected = {
            "ranks",
            "pinning",
            "threads",
            "CPU quota",
            "CPU frequency",
            "shared memory",
            "limits",
            "results shared",
            "cache shared",
            "transport",
        }
        assert expected | {"latency", "bandwidth", "allgather", "clocks"} <= {each.check for each in found}
        assert not [each for each in found if each.found.startswith("this check failed")]
        assert not [each for each in found if each.status == "problem"]
    comm.Barrier()
    assert list(shared_path.iterdir()) == []

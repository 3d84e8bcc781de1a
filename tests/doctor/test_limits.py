"""What hosts grant: shared memory, open files, locked memory."""

import resource

import pytest

from gradwire.doctor import limits

MIB = 1 << 20


@pytest.mark.parametrize(
    ("ranks", "free", "status", "words"),
    [
        (4, 1024, "ok", "1,024 of 2,048 MiB free"),
        (4, 39, "problem", "4 ranks need 40"),  # 16 + 4 · 6
        (4, 40, "ok", "40 of 2,048"),
        (2, 39, "warning", "one rank on each of 4 cores needs 40"),
        (2, 27, "problem", "2 ranks need 28"),
    ],
)
def test_shared_memory(facts, one, ranks, free, status, words):
    found = one(limits.check_shm([facts(shm=[free * MIB, 2048 * MIB])] * ranks))
    assert found.status == status and words in found.found
    assert ("--shm-size" in found.advice) == (status != "ok")


def test_no_shared_memory(facts, one):
    assert one(limits.check_shm([facts(shm=None)])).status == "problem"


def test_what_killed_ranks_left_is_said_for_each_host_once(facts, one):
    ranks = [facts("a"), facts("a"), facts("b", stale=[3, 5 * MIB]), facts("b", stale=[3, 5 * MIB])]
    found = one([each for each in limits.check_shm(ranks) if each.status != "ok"])
    assert found.found == "/dev/shm on b has 3 segments of 5 MiB that no process uses: killed ranks left them"
    assert "rm /dev/shm/mpich_shm_*" in found.advice


@pytest.mark.parametrize(
    ("nofile", "ranks", "status"),
    [(271, 4, "warning"), (272, 4, "ok"), (1024, 1000, "warning"), (resource.RLIM_INFINITY, 1000, "ok")],  # 256 + 4 a rank
)
def test_open_files(facts, one, nofile, ranks, status):
    plenty = [facts("a", nofile=10**6)] * (ranks - 1)
    found = one(limits.check_files([*plenty, facts("b", nofile=nofile)]))
    assert found.status == status
    assert found.found.endswith(" on b" if nofile > 0 else " on a") or "on b; " in found.found


@pytest.mark.parametrize(
    ("adapters", "memlock", "statuses"),
    [([], 8192, []), (["infiniband mlx5_0"], 8192, ["warning"]), (["infiniband mlx5_0"], resource.RLIM_INFINITY, ["ok"])],
)
def test_locked_memory_counts_where_there_is_an_adapter(facts, adapters, memlock, statuses):
    found = list(limits.check_memlock([facts(adapters=adapters, memlock=memlock)] * 2))
    assert [each.status for each in found] == statuses
    assert all("mlx5_0" in each.found for each in found)

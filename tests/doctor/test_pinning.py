"""What ranks compute on: made-up hosts, cores, threads and limits."""

import pytest

from gradwire.doctor import pinning


@pytest.mark.parametrize(
    ("cores", "status", "found"),
    [
        ([(0,), (1,)], "ok", "rank 0: 0; rank 1: 1"),
        ([(0, 1), (0, 1)], "ok", "not pinned, but no more ranks than cores: ranks 0-1 on a: 0-1"),
        ([(0, 1)] * 3, "warning", "ranks 0-2 on a share cores 0-1"),
        ([(0,), (0,), (1,)], "warning", "ranks 0-1 on a share core 0"),
        ([(0,), (0,), (0, 1, 2)], "warning", "ranks 0-1 on a share core 0"),  # the third has room
        ([(0, 1), (1, 2), (2, 0)], "ok", "not pinned, but no more ranks than cores: ranks 0-2 on a: 0-2"),
    ],
)
def test_cores(facts, one, cores, status, found):
    assert (lambda f: (f.status, f.found))(one(pinning.check_cores([facts(cores=each) for each in cores]))) == (status, found)


def test_advice_is_to_pin_only_if_there_are_cores_for_all(facts, one):
    twice = [facts(cores=(0,)), facts(cores=(0,)), facts(cores=(1, 2))]
    assert "-bind-to core" in one(pinning.check_cores(twice)).advice
    crowd = [facts(cores=(0, 1))] * 3
    assert "no more ranks than cores" in one(pinning.check_cores(crowd)).advice


def test_the_cores_of_two_hosts_are_not_the_same(facts, one):
    assert one(pinning.check_cores([facts("a", (0,)), facts("b", (0,))])).status == "ok"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ok"),
        ({"omp": "unset"}, "ok"),
        ({"omp": "unset", "threads": 8}, "warning"),
        ({"omp": "4"}, "warning"),
        ({"threads": 3}, "warning"),
    ],
)
def test_threads(facts, one, changes, status):
    found = one(pinning.check_threads([facts(), facts(**changes)]))
    assert found.status == status
    assert ("OMP_NUM_THREADS=1" in found.advice) == (status == "warning")


@pytest.mark.parametrize(("quota", "status"), [(None, "ok"), (4.0, "ok"), (1.5, "warning")])
def test_quota(facts, one, quota, status):
    found = one(pinning.check_quota([facts("b"), facts("a", quota=quota)]))
    assert found.status == status
    assert status == "ok" or found.found == "a: the time of 1.5 of 4 cores for 1 rank"


@pytest.mark.parametrize(("governors", "status"), [([], "ok"), (["performance"], "ok"), (["performance", "powersave"], "warning")])
def test_frequency(facts, one, governors, status):
    assert one(pinning.check_frequency([facts(governors=governors)])).status == status


@pytest.mark.parametrize(
    ("name", "value", "check", "status"),
    [
        ("python", "3.12.1", "equal Python", "problem"),
        ("versions", "numpy 2.5", "equal packages", "problem"),
        ("git_commit", "def", "equal gradwire", "problem"),
        ("simd", "scalar", "equal kernels", "warning"),
        ("cpu", "another", "equal processors", "warning"),
    ],
)
def test_ranks_that_differ_are_named(facts, one, name, value, check, status):
    ranks = [facts(), facts(alike={name: value}), facts()]
    found = one(pinning.check_alike(ranks))
    assert (found.check, found.status) == (check, status)
    assert f"rank 1: {value}" in found.found and "ranks 0,2: " in found.found


def test_equal_ranks(facts, one):
    assert one(pinning.check_alike([facts(), facts()])).status == "ok"

"""Formulas against numbers worked out by hand and a simulation of the broadcast tree."""

import pytest

from gradwire import ConfigError
from gradwire.network.costs import COSTS, QUEUED_S, Cost, cost


def test_a_cost_is_rounds_and_bytes():
    assert Cost(3, 1000).seconds(alpha=1e-4, beta=1e-8) == pytest.approx(3.1e-4)
    assert Cost(1, 2) + Cost(3, 4) == Cost(4, 6)


@pytest.mark.parametrize("name", COSTS)
def test_one_rank_needs_no_network(name):
    assert cost(name, 1, 1e6, 1e6) == Cost(0)


@pytest.mark.parametrize("name", set(COSTS) - {"barrier"})
def test_bytes_grow_with_the_message(name):
    for ranks in (2, 3, 4, 5, 8, 16):
        sizes = [cost(name, ranks, size, 2 * size).link_bytes for size in (1e3, 1e4, 1e5, 1e6)]
        assert sizes == sorted(sizes)
        assert sizes[0] > 0


def test_gather_is_incast_at_the_root():
    assert cost("gatherv", 4, 1000) == Cost(1, 3000)
    assert cost("gatherv", 16, 1000) == Cost(1, 15_000)


@pytest.mark.parametrize(("ranks", "times"), [(2, 1), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5)])
def test_a_long_broadcast_shares_the_uplinks_of_a_binomial_tree(ranks, times):
    """By hand: a node's children all end at deg messages' time, then the largest subtree goes on, less what was queued."""
    rounds = (ranks - 1).bit_length()
    found = cost("bcast", ranks, 10**6)
    assert (found.rounds, found.link_bytes) == (rounds, rounds * 10**6)
    assert found.transfer(1e-8) == pytest.approx(times * 1e-2 - (times - rounds) * QUEUED_S)
    assert found.transfer(1e-9) == pytest.approx(rounds * 1e-3)  # all of it is queued


def test_a_short_broadcast_is_a_round_for_each_level():
    assert cost("bcast", 4, 40_000) == Cost(2, 80_000)
    assert cost("bcast", 16, 8) == Cost(4, 32)


def test_a_broadcast_to_eight_and_more_is_scattered_and_gathered():
    assert cost("bcast", 8, 100_000) == Cost(6, 175_000)  # recursive doubling
    assert cost("bcast", 8, 800_000) == Cost(10, 1_400_000)  # a ring
    assert cost("bcast", 9, 90_000) == Cost(12, 160_000)


def test_allgather_has_few_rounds_for_short_messages():
    assert cost("allgatherv", 4, 100_000) == Cost(2, 300_000)
    assert cost("allgatherv", 4, 200_000) == Cost(3, 600_000)
    assert cost("allgatherv", 5, 16_000) == Cost(3, 64_000)
    assert cost("allgatherv", 5, 20_000) == Cost(4, 80_000)


def test_allreduce():
    assert cost("allreduce_call", 4, 1000) == Cost(2, 2000)
    assert cost("allreduce_call", 4, 10**6) == Cost(4, 1.5e6)
    assert cost("allreduce_call", 3, 10**6) == Cost(4, 3e6)  # the third hands its vector over and gets the sum back
    assert cost("allreduce", 4, 10**6) == Cost(6, 1.5e6)


def test_the_driver_costs_a_gather_and_a_broadcast_with_their_sizes_and_barriers():
    # barrier 2, sizes 2 (24 bytes), gather 1, barrier 2, size 2 (16 bytes), broadcast 2
    assert cost("gather_bcast", 4, 10_000, 30_000) == Cost(11, 24 + 30_000 + 16 + 60_000)


def test_reduce_scatter_moves_each_byte_to_its_owner_and_back():
    found = cost("reduce_scatter", 4, 400_000, 800_000)
    control = 3 * 264 + 64 * 3 / 4 + 24
    assert found == Cost(15, control + 300_000 + 600_000)


def test_reduce_scatter_beats_the_driver_for_many_ranks():
    for ranks in (4, 8, 16, 64):
        assert cost("reduce_scatter", ranks, 10**6, 2e6).link_bytes < cost("gather_bcast", ranks, 10**6, 2e6).link_bytes


def test_the_switch_carries_both_ways_at_once():
    assert cost("switch", 4, 1000, 1000) == Cost(6, 3000)
    assert cost("switch", 4, 1000, 2000) == Cost(6, 6000)


def test_a_slot_of_the_switch_waits_for_its_sum():
    assert cost("switch", 2, 262_272, 262_272).rounds == 1 + 2 + 2
    assert cost("switch", 2, 262_273, 262_273).rounds == 1 + 2 + 4


def test_powersgd_is_two_allreduces_with_a_barrier_each():
    assert cost("powersgd", 4, 10**6) == Cost(2 * 6, 1.5e6)
    assert cost("powersgd", 2, 3000) == Cost(2 * (1 + 1), 3000)


def test_halves_are_added_by_their_owners():
    assert cost("allreduce_halves", 3, 300_000) == Cost(2 + 1 + 2 + 2, 200_000 + 200_000)


def test_an_unknown_collective_names_the_known():
    with pytest.raises(ConfigError, match="did you mean 'allgather'"):
        cost("allgater", 4, 1)

"""Judging figures that were worked out by hand."""

import math

import pytest

from gradwire.doctor import figures
from gradwire.doctor.figures import Pair


def pair(first, second, latency_us=1.0, gb_per_s=10.0, same_host=True, nbytes=4_000_000):
    return Pair(first, second, same_host, (latency_us * 1e-6, latency_us * 0.5e-6, latency_us * 2e-6), gb_per_s * 1e9, nbytes)


def test_the_typical_and_the_slowest_pair_are_named(one):
    pairs = [pair(0, 1, 1, 10), pair(0, 2, 3, 8), pair(1, 2, 2, 9)]
    found = list(figures.check_pairs(pairs, skipped=2))
    assert [each.status for each in found] == ["ok", "ok"]
    assert found[0].found == (
        "1 byte inside a host: 2.0 µs (5–95%: 1.0 µs–4.0 µs, ranks 1 and 2); "
        "slowest of 3 pairs: 3.0 µs (5–95%: 1.5 µs–6.0 µs, ranks 0 and 2); 2 pairs were left out for want of time"
    )
    assert found[1].found.startswith("4 MB inside a host: 9.00 GB/s (ranks 1 and 2); slowest of 3 pairs: 8.00 GB/s (ranks 0 and 2)")


@pytest.mark.parametrize(("latency_us", "status"), [(999, "ok"), (1001, "warning")])
def test_latency(one, latency_us, status):
    assert one(figures.check_pairs([pair(0, 1, latency_us)]), "latency").status == status


@pytest.mark.parametrize(
    ("rates", "same_host", "status"),
    [
        ([0.11], True, "ok"),
        ([0.09], True, "warning"),
        ([0.09], False, "ok"),  # a slow network is not wrong
        ([1.0, 1.0, 0.51], False, "ok"),
        ([1.0, 1.0, 0.49], False, "warning"),
    ],
)
def test_bandwidth(one, rates, same_host, status):
    pairs = [pair(0, rank + 1, gb_per_s=rate, same_host=same_host) for rank, rate in enumerate(rates)]
    assert one(figures.check_pairs(pairs), "bandwidth").status == status


def test_both_places_are_judged_apart():
    found = list(figures.check_pairs([pair(0, 1), pair(0, 2, 50, 0.0125, same_host=False, nbytes=40_000)]))
    assert [each.check for each in found] == ["latency", "bandwidth"] * 2
    assert found[3].found == "0.04 MB between hosts: 12.5 MB/s (ranks 0 and 2)"


@pytest.mark.parametrize(("figures_of", "expected"), [((21e-6, 1.4e9), True), ((19e-6, 1.4e9), False), ((21e-6, 1.6e9), False)])
def test_like_tcp(figures_of, expected):
    assert Pair(0, 1, False, (figures_of[0], 0, 0), figures_of[1], 1).tcp_like is expected


@pytest.mark.parametrize(("p95", "status"), [(400e-6, "ok"), (700e-6, "warning")])
def test_allgather(one, p95, status):
    row = {"nbytes": 40_000, "ranks": 4, "calls": 100, "median_s": 30e-6, "p5_s": 20e-6, "p95_s": p95}
    found = one(
        figures.check_allgather([row | {"method": "mpi"}, row | {"method": "gradwire", "median_s": 1.5e-3}, row | {"method": "osu"}])
    )
    assert found.status == status
    assert (
        found.found == f"40 KB from each of 4 ranks: 30.0 µs (5–95%: 20.0 µs–{p95 * 1e6:.1f} µs, n 100); as gradwire exchanges it, 1.5 ms"
    )


@pytest.mark.parametrize(
    ("offsets", "hosts", "status"),
    [
        ([(0, 0), (1e-6, 2e-6)], "aa", "ok"),
        ([(0, 0), (5e-3, 2e-6)], "aa", "warning"),
        ([(0, 0), (5e-3, 5e-3)], "aa", "ok"),  # not known better
        ([(0, 0), (1e6, 2e-6)], "ab", "ok"),  # clocks of two hosts
    ],
)
def test_clocks(one, offsets, hosts, status):
    found = one(figures.check_clocks(offsets, list(hosts)))
    assert found.status == status
    assert math.isfinite(len(found.found))

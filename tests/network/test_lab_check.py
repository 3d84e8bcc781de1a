"""What the lab makes of measured links, against times worked out by hand; and the measuring itself, on unshaped ranks."""

import json

import pytest

from gradwire.network import lab_check
from gradwire.network.lab_check import Measured, judge, large_nbytes, measure


def link(small_us, large_ms, latency_us=20, pair=(0, 1), nbytes=4_000_000):
    return Measured(*pair, latency_us * 1e-6, small_us * 1e-6, large_ms * 1e-3, nbytes)


# At 1 Gbit/s 40 KB take 320 µs and 4 MB take 32 ms: at least that. With 20 µs of latency, 340 / 0.85 = 400 µs and 37.67 ms at most.
@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (link(340, 33), "ok"),
        (link(321, 32.1), "ok"),
        (link(399, 37.6), "ok"),
        (link(319, 33), "above"),
        (link(340, 31.9), "above"),
        (link(401, 33), "below"),
        (link(340, 37.8), "below"),
        (link(319, 99), "above"),  # a link that was not used is worse than a busy machine
        (link(434, 33, latency_us=50), "ok"),
        (link(436, 33, latency_us=50), "below"),
        (link(436, 33, latency_us=400), "below"),  # that latency is no network's
    ],
)
def test_judgement(measured, verdict):
    assert judge([measured], [1e9, 1e9])[0] == verdict


def test_the_slower_link_of_a_pair_counts():
    assert judge([link(340, 33)], [1e9, 10e9])[0] == "ok"
    assert judge([link(340, 33)], [10e9, 10e9])[0] == "below"
    assert judge([link(340, 33)], [1e8, 1e9])[0] == "above"


def test_the_worst_pair_is_named():
    pairs = [link(340, 33), link(340, 30, pair=(1, 2)), link(340, 16, pair=(2, 0))]
    assert judge(pairs, [1e9] * 3) == ("above", "messages of 4,000,000 bytes from host 2 to host 0 went at 2000 Mbit/s, the link has 1000")
    assert judge([], [1e9]) == ("ok", "")


def test_a_latency_that_did_not_happen():
    assert judge([link(1400, 34, latency_us=1010)], [1e9, 1e9], 1e-3) == ("ok", "")
    verdict, words = judge([link(340, 33)], [1e9, 1e9], 1e-3)
    assert (verdict, words) == ("above", "1 byte from host 0 to host 1 took 0.02 ms, expected 1 ms")


def test_slow_links_get_messages_of_a_third_of_a_second():
    assert [large_nbytes(rate) for rate in (1e6, 1e7, 1e8, 1e9)] == [40_000, 400_000, 4_000_000, 4_000_000]


def test_figures_in_words_and_in_json():
    one = link(400, 40)
    assert one.text([1e9, 1e9]) == (
        "host 0 to host 1, 1000 Mbit/s: 40 KB after a pause at 800 Mbit/s (80%), 4 MB at 800 Mbit/s (80%), 1 byte in 20 µs"
    )
    recorded = json.loads(json.dumps(one.described()))
    assert (
        recorded["small_nbytes"] == 40_000 and recorded["small_bps"] == pytest.approx(8e8) and recorded["large_bps"] == pytest.approx(8e8)
    )


@pytest.mark.ranks(2, 3)
def test_neighbours_are_measured(comm, monkeypatch):
    measured = measure(comm, [1e6] * comm.size)
    if comm.rank:
        assert measured is None
    else:
        assert [(one.sender, one.receiver) for one in measured] == ([(0, 1)] if comm.size == 2 else [(0, 1), (1, 2), (2, 0)])
        assert all(0 < one.latency_s < 0.1 and 0 < one.small_s < 0.1 and one.large_nbytes == 40_000 for one in measured)


@pytest.mark.ranks(2)
def test_rank_0_prints_one_line(comm, capfd):
    lab_check.main([1e6, 1e6])
    out = capfd.readouterr().out
    assert len(out.splitlines()) == (1 if comm.rank == 0 else 0)
    if comm.rank == 0:
        assert Measured(**json.loads(out)[0]).receiver == 1

"""The fit: truth is found again, with noise and outliers, and its uncertainty is honest."""

import numpy as np
import pytest

from gradwire import ConfigError, DataError
from gradwire.network.link import EFFICIENCY, Link, Measurement, fit, fit_each

ALPHA, BETA = 80e-6, 8e-8
SIZES = (1_000, 10_000, 60_000, 100_000, 1_000_000)
NAMES = ("bcast", "gatherv", "allgatherv", "allreduce_call", "gather_bcast")


def measured(noise=0.0, seed=0, alpha=ALPHA, beta=BETA, rate=np.nan, names=NAMES):
    rng = np.random.default_rng(seed)
    cases = [(name, ranks, size) for name in names for ranks in (2, 3, 4) for size in SIZES]
    bare = [Measurement(*case, 2 * case[2], 1.0, rate) for case in cases]
    return [
        Measurement(m.collective, m.ranks, m.up, m.down, m.cost.seconds(alpha, beta) * np.exp(noise * rng.standard_normal()), rate)
        for m in bare
    ]


def test_exact_times_give_the_exact_link():
    found = fit(measured())
    assert found.link.alpha == pytest.approx(ALPHA, rel=1e-6)
    assert found.link.beta == pytest.approx(BETA, rel=1e-6)
    assert found.error < 1e-6
    assert found.n == 75


def test_noise_is_averaged_and_the_standard_errors_cover_it():
    fits = [fit(measured(0.1, seed)) for seed in range(40)]
    for name, truth in (("alpha", ALPHA), ("beta", BETA)):
        values = np.array([getattr(each.link, name) for each in fits])
        errors = np.array([getattr(each, f"{name}_se") for each in fits])
        assert values.mean() == pytest.approx(truth, rel=0.03)
        assert np.median(errors) == pytest.approx(values.std(), rel=0.5)
        assert (np.abs(values - truth) < 3 * errors).mean() > 0.9


def test_a_tenth_of_wild_outliers_moves_it_little():
    times = measured(0.03)
    for i in np.random.default_rng(1).choice(len(times), len(times) // 10, replace=False):
        m = times[i]
        times[i] = Measurement(m.collective, m.ranks, m.up, m.down, 20 * m.seconds)
    found = fit(times)
    assert found.link.alpha == pytest.approx(ALPHA, rel=0.1)
    assert found.link.beta == pytest.approx(BETA, rel=0.1)


def test_too_long_counts_like_too_short():
    """Half the times doubled and half halved: the middle is where it was. Least squares of relative errors would be far below."""
    times = [Measurement(m.collective, m.ranks, m.up, m.down, m.seconds * 2.0 ** (1 - 2 * (i % 2))) for m in measured() for i in range(2)]
    assert fit(times).link.beta == pytest.approx(BETA, rel=1e-3)


def test_without_latency_alpha_vanishes():
    found = fit(measured(alpha=0.0))
    assert found.link.alpha < 1e-9
    assert found.link.beta == pytest.approx(BETA, rel=1e-4)


def test_each_collective_has_a_fit_of_its_own():
    slow = [Measurement(m.collective, m.ranks, m.up, m.down, 2 * m.seconds) for m in measured(names=("allgatherv",))]
    lone = Measurement("barrier", 4, 0, 0, 1e-3)
    found = fit_each([*measured(names=("bcast",)), *slow, lone])
    assert set(found) == {"bcast", "allgatherv"}
    assert found["bcast"].link.beta == pytest.approx(BETA, rel=1e-6)
    assert found["allgatherv"].link.beta == pytest.approx(2 * BETA, rel=1e-6)


def test_a_fit_goes_to_another_rate_with_the_share_of_the_line_that_it_found():
    found = fit(measured(rate=1e8))
    there = found.at_rate(4e8)
    assert there.alpha == found.link.alpha
    assert there.beta == pytest.approx(found.link.beta / 4)
    unknown = fit(measured()).at_rate(1e9)
    assert (unknown.alpha, unknown.beta) == (pytest.approx(ALPHA), Link.of_rate(1e9).beta)


def test_measurements_at_two_rates_make_one_fit():
    """Lines that take 1.3 times what their rates promise."""
    found = fit([m for rate in (1e8, 1e9) for m in measured(beta=1.3 * Link.of_rate(rate).beta, rate=rate)])
    assert (found.rate_bps, found.link.alpha) == (1e9, pytest.approx(ALPHA))
    assert found.at_rate(1e8).beta == pytest.approx(1.3 * Link.of_rate(1e8).beta)
    assert np.isnan(fit([*measured(rate=1e8), *measured()]).rate_bps)


def test_noisy_times_at_one_rate_do_not_make_a_line_faster_than_its_rate():
    """Long messages that met a quiet machine and short ones that met a busy one: a free fit finds two thirds of the time per byte."""
    beta = Link.of_rate(1e9).beta
    sizes = {2e4: 1.6, 4e4: 1.5, 5e4: 1.7, 2e5: 0.75, 3e5: 0.8}
    times = [Measurement("gatherv", 4, size, 0, factor * (2e-4 + 3 * size * beta), 1e9) for size, factor in sizes.items()]
    free = fit([Measurement(m.collective, m.ranks, m.up, m.down, m.seconds) for m in times])
    assert free.link.beta < 0.7 * beta
    assert fit(times).link.beta == pytest.approx(beta, rel=0.1)


def test_one_measurement_of_a_known_rate_gives_its_latency():
    found = fit([Measurement("gatherv", 4, 1e5, 0, 1e-3 + 3e5 * Link.of_rate(1e9).beta, 1e9)])
    assert found.link.alpha == pytest.approx(1e-3)


def test_what_cannot_be_fitted_is_refused():
    same = [Measurement("gatherv", 4, 1000, 0, 1e-3)] * 5
    with pytest.raises(DataError, match="at least two sizes"):
        fit(same)
    with pytest.raises(DataError, match="at least two sizes"):
        fit([])
    with pytest.raises(DataError, match="more than 0 s"):
        fit([Measurement("gatherv", 4, size, 0, 0.0) for size in SIZES])
    with pytest.raises(DataError, match="grow with the bytes"):
        fit([Measurement("gatherv", 4, size, 0, 1e-3 * size**-0.2) for size in SIZES])


def test_two_measurements_give_a_link_but_no_error():
    found = fit([Measurement("gatherv", 2, size, 0, 1e-4 + 1e-8 * size) for size in (1000, 10**6)])
    assert found.link.alpha == pytest.approx(1e-4)
    assert np.isnan(found.alpha_se)


def test_a_link_knows_its_rate():
    assert Link.of_rate(1e9).rate_bps == pytest.approx(1e9)
    assert Link.of_rate(1e9).beta == pytest.approx(8e-9 / EFFICIENCY)
    for alpha, beta in ((-1e-6, 1e-9), (0, 0), (np.nan, 1e-9), (0, np.inf)):
        with pytest.raises(ConfigError, match="alpha ≥ 0"):
            Link(alpha, beta)

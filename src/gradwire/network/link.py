"""The α–β model (Hockney 1994) of a link: fitted to measured collectives, so that it can predict others.

`fit` finds α (seconds per message) and β (seconds per byte) from (collective, ranks, bytes, seconds); costs.py has the formulas.
It is least squares of the logarithms' differences, made robust by Huber's weights: a small and a large message count alike, too
long counts like too short, and a measurement that another process disturbed counts little. Where the lines' rates are known, β is
what they promise times a factor that is expected near 1: a few noisy runs of one rate cannot tell bytes from messages, and a line
that carries more than its rate would be found where there is none. It models no congestion: what concurrent flows lose is in the β of
their collective.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, DataError
from .costs import cost

EFFICIENCY = 1448 / 1514
"""Payload per byte of an Ethernet frame of TCP/IPv4 with timestamps, 1500-byte MTU, as a token bucket counts it."""
HUBER = 1.345
"""Residuals beyond so many standard deviations count less: 95% efficient if errors are Gaussian (Huber 1964)."""
EXPECTED = 0.1
"""Standard deviation of log(β / what the line's rate promises), expected before anything is measured."""


@dataclass(frozen=True)
class Link:
    """alpha: seconds per message, 0 or more. beta: seconds per byte of payload, more than 0."""

    alpha: float
    beta: float

    def __post_init__(self):
        if not (0 <= self.alpha < np.inf and 0 < self.beta < np.inf):
            raise ConfigError(f"expected a link of alpha ≥ 0 and beta > 0 seconds, got {self.alpha} and {self.beta}")

    @classmethod
    def of_rate(cls, rate_bps, alpha=0.0):
        """A link whose line carries rate_bps bits per second, TCP's and Ethernet's headers included."""
        return cls(alpha, 8 / (rate_bps * EFFICIENCY))

    @property
    def rate_bps(self):
        """The line's rate for which `of_rate` gives this beta."""
        return 8 / (self.beta * EFFICIENCY)


@dataclass(frozen=True)
class Measurement:
    """One measured exchange; up and down in bytes as `costs.cost` takes them. rate_bps: the line's, where it is known."""

    collective: str
    ranks: int
    up: float
    down: float
    seconds: float
    rate_bps: float = np.nan

    @property
    def cost(self):
        return cost(self.collective, self.ranks, self.up, self.down)


@dataclass(frozen=True)
class Fit:
    """A fitted link. alpha_se, beta_se: standard errors. error: median |predicted / measured - 1| of the n measurements.

    rate_bps: the line's that `link` is for, the fastest if there were several; NaN if a measurement did not say.
    """

    link: Link
    alpha_se: float
    beta_se: float
    error: float
    n: int
    rate_bps: float = np.nan

    def at_rate(self, rate_bps):
        """The same link at another rate: β scales with the share of the line's rate that the fit found; α stays.

        A fit that knows no rate gives α alone, and β is that of the rate."""
        if np.isnan(self.rate_bps):
            return Link.of_rate(rate_bps, self.link.alpha)
        return Link(self.link.alpha, self.link.beta * self.rate_bps / rate_bps)


def fit(measurements):
    """Fit of α and β to all of them together. DataError if they cannot tell the two apart, or a time is not positive."""
    measurements = list(measurements)
    seconds = np.array([m.seconds for m in measurements], float)
    if not (seconds > 0).all():
        raise DataError(f"expected times of more than 0 s, got {seconds.min()}")
    rates = np.array([m.rate_bps for m in measurements], float)
    known = bool(len(rates)) and bool((rates > 0).all())
    promised = np.array([Link.of_rate(rate).beta for rate in rates]) if known else np.ones(len(rates))
    costs = [m.cost for m in measurements]
    design = np.array([(c.rounds, c.link_bytes) for c in costs], float).reshape(-1, 2)
    if not known and (len(design) < 2 or np.linalg.matrix_rank(design / np.maximum(design.max(axis=0), 1e-300)) < 2):
        raise DataError(f"expected measurements of at least two sizes, got {len(design)} that cannot tell latency from bandwidth")
    found, residuals, weights = _solve(costs, promised, seconds, EXPECTED if known else np.inf)
    design, offset = _around(costs, promised, found[1])
    predicted = design @ found + offset
    if (design[:, 1] * found[1] < 1e-6 * predicted).all():
        raise DataError("expected times that grow with the bytes: no bandwidth fits these measurements")
    scale = np.array((1.0, promised.min()))
    errors = scale * _standard_errors(design / predicted[:, None], weights, residuals)
    error, rate = float(np.median(np.abs(np.expm1(residuals)))), rates.max() if known else np.nan
    return Fit(Link(*(scale * found).tolist()), *errors.tolist(), error, len(measurements), float(rate))


def fit_each(measurements):
    """{collective: Fit}, for those whose measurements allow one, each apart: its α and β hold what its formula leaves out."""
    groups = {}
    for measurement in measurements:
        groups.setdefault(measurement.collective, []).append(measurement)
    fits = {}
    for name, members in groups.items():
        try:
            fits[name] = fit(members)
        except DataError:
            continue
    return fits


def _around(costs, promised, factor):
    """(design (n, 2), offset (n,)): near this factor on the promised β, seconds are design @ (α, factor) + offset."""
    lines = [c.line(factor * beta) for c, beta in zip(costs, promised)]
    design = [(c.rounds, nbytes * beta) for c, (nbytes, _), beta in zip(costs, lines, promised)]
    return np.array(design, float).reshape(-1, 2), np.array([seconds for _, seconds in lines], float)


def _solve(costs, promised, seconds, expected):
    """((α, factor on the promised β), log(predicted / seconds), Huber's weights): Gauss–Newton over the logarithms, which keeps both
    positive.

    expected: standard deviation of the logarithm of the factor, which is 1 before anything is measured; inf if nothing is known.
    """
    (rounds, nbytes), factor = _around(costs, promised, 0.0)[0].T, 1.0
    if np.isinf(expected):
        factor = np.median(seconds[nbytes > 0] / nbytes[nbytes > 0])
    logs = np.log((np.min(seconds[rounds > 0] / rounds[rounds > 0], initial=1.0), factor))
    for _ in range(500):
        design, offset = _around(costs, promised, np.exp(logs[1]))
        predicted = design @ np.exp(logs) + offset
        residuals = np.log(predicted / seconds)
        spread = max(1.4826 * float(np.median(np.abs(residuals))), 1e-12)
        weights = np.minimum(1, HUBER * spread / np.maximum(np.abs(residuals), 1e-300))
        root = np.sqrt(weights)
        shares = design * np.exp(logs) / predicted[:, None]
        belief = spread / expected  # a measurement more, of the factor alone
        rows = np.vstack([shares * root[:, None], (0.0, belief)])
        move = np.linalg.lstsq(rows, np.append(-residuals * root, -logs[1] * belief), rcond=1e-9)[0]
        logs = logs + np.clip(move, -1, 1)
        if np.abs(shares @ move).max() < 1e-10:
            break
    return np.exp(logs), residuals, weights


def _standard_errors(scaled, weights, residuals):
    """Those of weighted least squares, (2,); NaN without a degree of freedom."""
    if len(scaled) < 3:
        return np.full(2, np.nan)
    variance = weights @ residuals**2 / (len(scaled) - 2)
    return np.sqrt(variance * np.diag(np.linalg.inv(scaled.T @ (weights[:, None] * scaled))))

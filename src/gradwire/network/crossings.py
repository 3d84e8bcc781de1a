"""Break-even bandwidths, measured against predicted: where two codecs' measured epoch times cross, and where the predicted ones do.

Both come from the same runs at the same rates (model.Comparison), so both are found alike: the difference of two codecs' times, linear
in the time per byte between neighbouring rates, changes its sign. Outside the measured rates nothing is said, nor of codecs that are
even: nowhere further apart than EVEN.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .. import spec as specs
from ..report import describe
from .link import Link

EVEN = 0.05
"""Codecs whose measured times differ by no more than this share at every rate cross by chance."""


@dataclass(frozen=True)
class Crossing:
    """A codec and a baseline that are equally fast at these bit rates. predicted_bps: NaN if the prediction sees no crossing there."""

    spec: str
    baseline: str
    collective: str
    ranks: int
    measured_bps: float
    predicted_bps: float
    title: str = ""

    @property
    def error(self):
        return self.predicted_bps / self.measured_bps - 1


def crossings(comparisons):
    """[Crossing] of every codec with every baseline of the same job, collective and ranks that ran at two rates or more."""
    found = []
    for (_, title, collective, ranks), times in _jobs(comparisons).items():
        baselines = [codec for codec in times if _kind(codec[0])]
        others = [codec for codec in times if not _kind(codec[0])]
        for codec in others:
            for baseline in baselines:
                rates = sorted(times[codec].keys() & times[baseline].keys(), reverse=True)
                betas = [Link.of_rate(rate).beta for rate in rates]
                gaps = np.array([times[codec][rate] - times[baseline][rate] for rate in rates]).reshape(-1, 2)
                if all(abs(gap[0]) <= EVEN * times[baseline][rate][0] for gap, rate in zip(gaps, rates)):
                    continue
                measured, predicted = (_crossings(betas, gap) for gap in gaps.T)
                for at in measured:
                    nearest = min(predicted, key=lambda rate: abs(np.log(rate / at)), default=np.nan)
                    found.append(Crossing(codec[1], baseline[1], collective, ranks, at, nearest, title))
    return found


def _jobs(comparisons):
    """{(job, title, collective, ranks): {(spec, label): {rate: float (2,), seconds measured and predicted, medians of repeats}}}."""
    every = {}
    for each in comparisons:
        if each.rate_bps > 0:
            of_spec = every.setdefault((each.job, each.title, each.collective, each.ranks), {}).setdefault((each.spec, each.label), {})
            of_spec.setdefault(each.rate_bps, []).append((each.measured_s, each.predicted_s))
    return {
        job: {spec: {rate: np.median(times, axis=0) for rate, times in rates.items()} for spec, rates in of_job.items()}
        for job, of_job in every.items()
    }


def _kind(spec):
    return describe.baseline(name for name, _ in specs.split(spec))


def _crossings(betas, gaps):
    """Rates at which the gap, known at these times per byte, is zero."""
    found = []
    for (beta, gap), (other_beta, other_gap) in pairwise(zip(betas, gaps)):
        if gap * other_gap < 0 or (gap and not other_gap):
            found.append(Link(0.0, beta + (other_beta - beta) * gap / (gap - other_gap)).rate_bps)
    return found

"""Lines in β: which codec is fastest on which network, and where two of them break even.

At fixed ranks the time of a step is fixed_s + cost.transfer(β), with β the seconds per byte: a line, with a bend where a long broadcast
begins to share its link. So two lines cross between two bends once at most, in closed form. What the lines are made of is measured by
others (profile.py, costs.py).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .. import spec as specs
from ..report import describe
from .costs import QUEUED_S, Cost
from .link import Link

MARGIN = 0.05
"""A codec is recommended over a simpler one if it is predicted to be faster by more than this: the model is not more exact."""
EVEN = 0.02
"""Two codecs whose work and bytes both differ by less than this are even: which is faster is noise."""
LOSS = 0.01
"""A codec whose recorded test loss is worse by more than this share is not recommended."""


@dataclass(frozen=True)
class Option:
    """One codec: its step takes fixed_s + cost.transfer(β). cost: of the network, its bytes times what a fit found a byte to take.

    baseline: "uncompressed", "16-bit" or "". encode_s, decode_s: seconds per step on the critical path. vnmse, test_loss: NaN if unknown.
    """

    label: str
    spec: str
    baseline: str
    up: float
    down: float
    encode_s: float
    decode_s: float
    fixed_s: float
    cost: Cost
    vnmse: float = np.nan
    test_loss: float = np.nan
    feedback: bool = False

    def step_s(self, rate_bps):
        """Seconds of a step on lines of this rate."""
        return self.fixed_s + self.cost.transfer(Link.of_rate(rate_bps).beta)


@dataclass(frozen=True)
class Advice:
    """One job on one network. options: fastest first. uncompressed, sixteen: labels of the fastest baseline at that rate, "" if none."""

    title: str
    name: str
    collective: str
    ranks: int
    link: Link
    options: tuple
    notes: tuple
    measured: str
    uncompressed: str
    sixteen: str

    @classmethod
    def of(cls, title, name, collective, ranks, link, options, notes, measured):
        """Sorted, with the baselines found and missing ones flagged. measured: on what bytes and times were."""
        options = sorted(options, key=lambda each: (each.step_s(link.rate_bps), each.label))
        best = [next((each.label for each in options if each.baseline == kind), "") for kind in ("uncompressed", "16-bit")]
        lines = tuple(dict.fromkeys([*notes, *describe.missing_baselines(each.baseline for each in options)]))
        return cls(title, name, collective, ranks, link, tuple(options), lines, measured, *best)

    @property
    def rate_bps(self):
        return self.link.rate_bps

    @property
    def margin(self):
        """What `choice` takes for equally fast."""
        return MARGIN

    def option(self, label):
        return next(each for each in self.options if each.label == label)

    def beats(self, option, baseline):
        """Where `option` is faster than every baseline of this kind: (low, high) bits per second, None if nowhere or there is none."""
        others = [other for other in self.options if other.baseline == baseline and other is not option]
        low, high = 0.0, np.inf
        for other in others:
            window = faster_between(option, other)
            if window is None:
                return None
            low, high = max(low, window[0]), min(high, window[1])
        return (low, high) if others and low < high else None

    @property
    def choice(self):
        """The option to take: the simplest of those within MARGIN of the fastest whose test loss was not worse than LOSS allows."""
        fit_to_use = [option for option in self.options if not self.worse(option)]
        most = (1 + MARGIN) * fit_to_use[0].step_s(self.rate_bps)
        fast = [option for option in fit_to_use if option.step_s(self.rate_bps) <= most]
        return min(fast, key=lambda option: ("uncompressed", "16-bit", "").index(option.baseline))

    def worse(self, option):
        """Whether its test loss was more than LOSS above that of the uncompressed baseline; False where either is unknown."""
        return bool(self.uncompressed) and option.test_loss > (1 + LOSS) * self.option(self.uncompressed).test_loss

    def even(self, option, baseline):
        """Whether some baseline of this kind costs the same, but for noise."""
        return any(other.baseline == baseline and _even(option, other) for other in self.options if other is not option)


def faster_between(one, other):
    """(low, high): the rates, bits per second, between which `one` takes less time than `other`; None if there are none.

    (0, inf) is always. If there are several such spans, between bends, the one of the lowest rates.
    """
    bends = sorted({QUEUED_S / nbytes for option in (one, other) for _, nbytes in option.cost.late})
    spans = []
    for low, high in pairwise([0.0, *bends, np.inf]):  # of β, which falls as rates rise
        inside = (low + high) / 2 if np.isfinite(high) else 2 * low + 1.0
        (own, own_s), (their, their_s) = (option.cost.line(inside) for option in (one, other))
        less_bytes, more_work = their - own, one.fixed_s + own_s - other.fixed_s - their_s
        if less_bytes:
            at = more_work / less_bytes
            low, high = (max(low, at), high) if less_bytes > 0 else (low, min(high, at))
        elif more_work >= 0:
            continue
        if low < high:
            spans.append([spans.pop()[0], high] if spans and spans[-1][1] == low else [low, high])
    if not spans:
        return None
    low, high = spans[-1]
    return 0.0 if np.isinf(high) else Link(0.0, high).rate_bps, Link(0.0, low).rate_bps if low > 0 else np.inf


def _even(one, other):
    pairs = ((one.fixed_s, other.fixed_s), (one.cost.link_bytes, other.cost.link_bytes))
    return all(abs(a - b) <= EVEN * max(a, b) for a, b in pairs)


def option(label, profile, link, ranks, collective, inflation=1.0, **known):
    """Option of a profile. inflation: β over what the line's rate promises. known: vnmse, test_loss, feedback."""
    work, cost = profile.work(ranks, collective), profile.cost(ranks, collective).spread(1, inflation)
    fixed = sum(work.values()) + cost.rounds * link.alpha
    kind = "" if profile.sends_own else describe.baseline(name for name, _ in specs.split(profile.spec))
    down = profile.down * profile.more(ranks) if collective in ("gather_bcast", "reduce_scatter") else np.nan
    sizes = (profile.up, down, work["encode"], work["decode"], fixed, cost)
    return Option(label, profile.spec, kind, *sizes, **known)

"""`gradwire advise`: which codec pays on which network, from recorded runs or from a described job.

At fixed ranks the time of a step is a straight line in β, the seconds per byte: what is not the network's bandwidth, plus bytes · β
(profile.py, costs.py). So break-even bandwidths are where two lines cross, in closed form. Times and bytes are measured, the network's
time is predicted; accuracy is whatever the runs recorded, at their ranks, and unknown for a described job.
"""

from dataclasses import dataclass, field, fields, replace

import numpy as np

from .. import spec as specs
from ..errors import ConfigError, DataError, IncompatibleError
from ..report import describe
from ..report.load import collect, has_feedback
from ..report.measures import measure
from .link import Link, fit
from .model import LATENCY_S, measurements
from .profile import Profile, of_run, refuse_ratio

MARGIN = 0.05
"""A codec is recommended over a simpler one if it is predicted to be faster by more than this: the model is not more exact."""
EVEN = 0.02
"""Two codecs whose work and bytes both differ by less than this are even: which is faster is noise."""
LOSS = 0.01
"""A codec whose recorded test loss is worse by more than this share is not recommended."""
RATE_BPS = 1e9
"""The network's rate where nobody says."""


USABLE = 0.25
"""A fit whose median error is above this says too little."""
_ASSUMED = f"Latency: {LATENCY_S * 1e6:.0f} µs a message is taken, as on a local Ethernet; --latency says another."


@dataclass(frozen=True)
class Option:
    """One codec: its step takes fixed_s + link_bytes · β. link_bytes: through the busiest link, times what a fit found a byte to take.

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
    link_bytes: float
    vnmse: float = np.nan
    test_loss: float = np.nan
    feedback: bool = False

    def step_s(self, rate_bps):
        """Seconds of a step on lines of this rate."""
        return self.fixed_s + self.link_bytes * Link.of_rate(rate_bps).beta


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
    uncompressed: str = field(default="")
    sixteen: str = field(default="")

    @property
    def rate_bps(self):
        return self.link.rate_bps

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

    (0, inf) is always. Closed form: the two lines in β cross at most once.
    """
    less_bytes, more_work = other.link_bytes - one.link_bytes, one.fixed_s - other.fixed_s
    if less_bytes == 0:
        return (0.0, np.inf) if more_work < 0 else None
    beta = more_work / less_bytes  # where the lines cross
    if beta <= 0:
        return (0.0, np.inf) if less_bytes > 0 else None
    crossing = Link(0.0, beta).rate_bps
    return (0.0, crossing) if less_bytes > 0 else (crossing, np.inf)


def _even(one, other):
    pairs = ((one.fixed_s, other.fixed_s), (one.link_bytes, other.link_bytes))
    return all(abs(a - b) <= EVEN * max(a, b) for a, b in pairs)


def of_runs(paths, *, ranks=None, rate=None, latency=None, collective=None):
    """[Advice], one for each job among these run files: runs that differ in their codec alone are one job.

    ranks, collective: default the runs'. rate: bits per second; default the runs' recorded one, else RATE_BPS. latency: α in seconds;
    default what fits the runs if they know their rate, else LATENCY_S. ConfigError without a run that can be used.
    """
    found = collect(".", "advise", paths)
    jobs = {}
    for group in found.groups:
        jobs.setdefault(_job(group.runs[0]), []).append(group)
    return [_of_job(groups, found.notes, ranks, rate, latency, collective) for groups in jobs.values()]


def _job(run):
    """Everything that two runs must share to be compared."""
    config = run.config
    same = {section: config.get(section) for section in ("data", "model", "optimizer", "collective")}
    batch = {name: value for name, value in config["run"].items() if name in ("batch_size", "batch_ratio", "local_steps")}
    where = {name: str(run.environment.get(name)) for name in ("network", "link_rate_bps", "cores", "cpu")}
    return repr((same, batch, where, run.ranks))


def _of_job(groups, notes, ranks, rate, latency, collective):
    run = groups[0].runs[0]
    own = run.config["collective"]["name"]
    ranks, collective = ranks or run.ranks, collective or own
    recorded = float(run.environment.get("link_rate_bps", np.nan))
    rate, said = _rate(rate, recorded)
    alpha, inflation, why = _network(latency, groups)
    link, lines = Link.of_rate(rate, alpha), [*said, *why, *notes]
    options, labels = [], _labels(groups)
    for group in groups:
        try:
            profile = _typical([_checked(each, ranks) for each in group.runs])
            _check_pair(profile, own, collective, ranks)
        except IncompatibleError as error:
            lines.append(f"Left out: {error}.")
            continue
        lines += profile.notes
        row = measure(group)
        known = {"vnmse": row["vnmse_last"], "test_loss": row["test_loss"], "feedback": row.feedback}
        options.append(option(labels[group.label], profile, link, ranks, collective, inflation, **known))
    if not options:
        raise ConfigError("nothing to compare: " + " ".join(lines))
    names = [run.config.get(section, {}).get("name", "?") for section in ("model", "data")]
    title = f"{run.experiment}: {names[0]} on {names[1]}; {run.ranks} ranks recorded, {describe.network(run)}"
    return _advice(title, f"advise-{run.experiment}", collective, ranks, link, options, lines, "the runs")


def _labels(groups):
    """{a group's label among all files: its label in this job}: the codec alone where that tells it from the others."""
    short = [group.spec + (" +EF" if has_feedback(group.runs[0]) else "") for group in groups]
    return {group.label: own if short.count(own) == 1 else group.label for group, own in zip(groups, short)}


def _checked(run, ranks):
    refuse_ratio(run, ranks)
    return of_run(run)


def _rate(rate, recorded):
    if rate is not None:
        return rate, ()
    if recorded > 0:
        return recorded, ()
    return RATE_BPS, ("No rate was given and the runs know none: 1 Gbit/s is taken.",)


def _network(latency, groups):
    """(α, how many times a byte takes what the line's rate promises, lines that say where both come from).

    Runs that know their rate, with at least three message sizes, are fitted; of others nothing about another network can be learnt.
    """
    measured = measurements(run for group in groups for run in group.runs)
    if len({round(m.cost.link_bytes) for m in measured}) >= 3 and not any(np.isnan(m.rate_bps) for m in measured):
        try:
            found = fit(measured)
        except DataError:
            found = None
        if found and found.error < USABLE:
            inflation = found.link.beta / Link.of_rate(found.rate_bps).beta
            said = f"{found.link.alpha * 1e6:.0f} ± {found.alpha_se * 1e6:.0f} µs a message, {inflation:.2f} times the line's time per byte"
            why = f"Fitted to the runs: {said}; median error {found.error:.0%}."
            if latency is None:
                return found.link.alpha, inflation, (why,)
            return latency, inflation, (f"{why} --latency replaces the first.",)
    if latency is not None:
        return latency, 1.0, ()
    return LATENCY_S, 1.0, (_ASSUMED,)


def _typical(profiles):
    """The medians of repeats."""
    numbers = [each.name for each in fields(Profile) if isinstance(getattr(profiles[0], each.name), float)]
    return replace(profiles[0], **{name: float(np.median([getattr(each, name) for each in profiles])) for name in numbers})


def _check_pair(profile, own, collective, ranks):
    """IncompatibleError if the codec cannot go through this collective, or would send other messages than the recorded ones."""
    codec = specs.codec(profile.spec)
    old, new = (specs.one("collectives", name) for name in (own, collective))
    new.check(codec, None, ranks)
    if old.needs_dense != new.needs_dense and not codec.shares_keys and profile.most > 1.0001:
        raise IncompatibleError(
            f"{profile.spec}: {collective} sends other messages than the {own} of the run; record a run with {collective}"
        )


def option(label, profile, link, ranks, collective, inflation=1.0, **known):
    """Option of a profile. inflation: β over what the line's rate promises. known: vnmse, test_loss, feedback."""
    work, cost = profile.work(ranks, collective), profile.cost(ranks, collective)
    fixed = sum(work.values()) + cost.rounds * link.alpha
    parts = {name for name, _ in specs.split(profile.spec)}
    down = profile.down * profile.more(ranks) if collective in ("gather_bcast", "reduce_scatter") else np.nan
    sizes = (profile.up, down, work["encode"], work["decode"], fixed, inflation * cost.link_bytes)
    return Option(label, profile.spec, describe.baseline(parts), *sizes, **known)


def _advice(title, name, collective, ranks, link, options, notes, measured):
    options = sorted(options, key=lambda each: (each.step_s(link.rate_bps), each.label))
    best = {kind: next((each.label for each in options if each.baseline == kind), "") for kind in ("uncompressed", "16-bit")}
    flags = describe.missing_baselines(each.baseline for each in options)
    lines = tuple(dict.fromkeys([*notes, *flags]))
    return Advice(title, name, collective, ranks, link, tuple(options), lines, measured, best["uncompressed"], best["16-bit"])


def of_job(profiles, title, *, rate=None, latency=None, vnmse=(), notes=()):
    """Advice for profiles that `described.profiles` measured here and now. vnmse: of each."""
    rate, said = _rate(rate, np.nan)
    link = Link.of_rate(rate, LATENCY_S if latency is None else latency)
    options = [option(each.spec, each, link, each.ranks, each.collective, vnmse=error) for each, error in zip(profiles, vnmse)]
    first, said = profiles[0], (*said, *(() if latency is not None else (_ASSUMED,)))
    return _advice(title, "advise", first.collective, first.ranks, link, options, [*said, *notes], "synthetic gradients here and now")

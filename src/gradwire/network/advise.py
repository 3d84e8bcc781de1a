"""`gradwire advise`: which codec pays on which network, from recorded runs or from a described job.

Times and bytes are measured (profile.py, described.py), the network's time is predicted (costs.py), and break-even bandwidths are where
two codecs' lines cross (breakeven.py). Accuracy is whatever the runs recorded, at their ranks, and unknown for a described job.
"""

import numpy as np

from .. import spec as specs
from ..errors import ConfigError, DataError, IncompatibleError
from ..report import describe
from ..report.load import collect, has_feedback
from ..report.measures import measure
from .breakeven import Advice, option
from .link import Link, fit
from .model import LATENCY_S, measurements
from .profile import job, of_run, refuse_ratio, typical

RATE_BPS = 1e9
"""The network's rate where nobody says."""
USABLE = 0.25
"""A fit whose median error is above this says too little."""
_ASSUMED = f"Latency: {LATENCY_S * 1e6:.0f} µs a message is taken, as on a local Ethernet; --latency says another."
_UNUSED = (
    "The benchmarked calls were not used: their line's rate is not known (GRADWIRE_LINK_RATE_BPS says it to bench collectives), or the "
    f"best fit is off by {USABLE:.0%} or more."
)
_OTHER = (
    "Work is what the runs spent per entry with {own}; what a message costs however small is not in it, so that reduce_scatter's "
    "many small parts come out too cheap."
)


def of_runs(paths, *, ranks=None, rate=None, latency=None, collective=None, extra=()):
    """[Advice], one for each job among these run files: runs that differ in their codec alone are one job.

    ranks, collective: default the runs'. rate: bits per second; default the runs' recorded one, else RATE_BPS. latency: α in seconds;
    default what fits the runs and `extra`, Measurements of the same network, where they know their rate, else LATENCY_S. ConfigError
    without a run that can be used.
    """
    found = collect(".", "advise", paths)
    jobs = {}
    for group in found.groups:
        jobs.setdefault(_job(group.runs[0]), []).append(group)
    return [_of_job(groups, found.notes, ranks, rate, latency, collective, extra) for groups in jobs.values()]


def _job(run):
    """Everything that two runs must share to be compared."""
    where = {name: str(run.environment.get(name)) for name in ("network", "link_rate_bps", "cores", "cpu")}
    return repr((job(run), where, run.ranks))


def _of_job(groups, notes, ranks, rate, latency, collective, extra):
    run = groups[0].runs[0]
    own = run.config["collective"]["name"]
    ranks, collective = ranks or run.ranks, collective or own
    recorded = float(run.environment.get("link_rate_bps", np.nan))
    rate, said = _rate(rate, recorded)
    alpha, inflation, why = _network(latency, groups, extra)
    link, lines = Link.of_rate(rate, alpha), [*said, *why, *notes]
    options, labels = [], _labels(groups)
    for group in groups:
        try:
            profile = typical([_checked(each, ranks) for each in group.runs])
            _check_pair(profile, own, collective, ranks)
        except IncompatibleError as error:
            lines.append(f"Left out: {error}.")
            continue
        lines += profile.notes
        row = measure(group)
        known = {"vnmse": row["vnmse_last"], "test_loss": row["test_loss"], "feedback": row.feedback}
        options.append(option(labels[group.label], profile, link, ranks, collective, inflation, **known))
    if collective != own:
        lines.append(_OTHER.format(own=own))
    if not options:
        raise ConfigError("nothing to compare: " + " ".join(lines))
    names = [run.config.get(section, {}).get("name", "?") for section in ("model", "data")]
    title = f"{run.experiment}: {names[0]} on {names[1]}; {run.ranks} ranks recorded, {describe.network(run)}"
    return Advice.of(title, f"advise-{run.experiment}", collective, ranks, link, options, lines, "the runs")


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


def _network(latency, groups, extra):
    """(α, how many times a byte takes what the line's rate promises, lines that say where both come from).

    Runs and `extra` Measurements that know their rate, of at least three sizes, are fitted; of others nothing about another network can
    be learnt.
    """
    measured = [m for m in (*measurements(run for group in groups for run in group.runs), *extra) if m.rate_bps > 0]
    found = _fitted(measured)
    if found:
        inflation = found.link.beta / Link.of_rate(found.rate_bps).beta
        said = f"{found.link.alpha * 1e6:.0f} ± {found.alpha_se * 1e6:.0f} µs a message, {inflation:.2f} times the line's time per byte"
        calls = f" and {len(extra)} benchmarked calls" if extra else ""
        why = f"Fitted to the runs{calls}: {said}; median error {found.error:.0%}."
        if latency is None:
            return found.link.alpha, inflation, (why,)
        return latency, inflation, (f"{why} --latency replaces the first.",)
    unused = (_UNUSED,) if extra else ()
    if latency is not None:
        return latency, 1.0, unused
    return LATENCY_S, 1.0, (*unused, _ASSUMED)


def _fitted(measured):
    """The Fit of all of them, None if they are too few or it says too little."""
    if len({round(m.cost.link_bytes) for m in measured}) < 3:
        return None
    try:
        found = fit(measured)
    except DataError:
        return None
    return found if found.error < USABLE else None


def _check_pair(profile, own, collective, ranks):
    """IncompatibleError if the codec cannot go through this collective, or would send other messages than the recorded ones."""
    codec = specs.codec(profile.spec)
    old, new = (specs.one("collectives", name) for name in (own, collective))
    new.check(codec, None, ranks)
    profile.formula(collective)
    if old.needs_dense != new.needs_dense and not codec.shares_keys and profile.most > 1.0001:
        raise IncompatibleError(
            f"{profile.spec}: {collective} sends other messages than the {own} of the run; record a run with {collective}"
        )


def of_job(profiles, title, *, rate=None, latency=None, vnmse=(), notes=()):
    """Advice for profiles that `described.profiles` measured here and now. vnmse: of each."""
    rate, said = _rate(rate, np.nan)
    link = Link.of_rate(rate, LATENCY_S if latency is None else latency)
    options = [option(each.spec, each, link, each.ranks, each.collective, vnmse=error) for each, error in zip(profiles, vnmse)]
    first, said = profiles[0], (*said, *(() if latency is not None else (_ASSUMED,)))
    return Advice.of(title, "advise", first.collective, first.ranks, link, options, [*said, *notes], "synthetic gradients here and now")

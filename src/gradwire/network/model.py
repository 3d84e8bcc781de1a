"""Predicted epoch times of recorded runs on other networks and with other numbers of ranks, and how far predictions were off.

    time of a step = work on the critical path (profile.py) + rounds · α + bytes through the busiest link · β (costs.py)

The work is what the run measured; bytes are those of its messages; α and β are a link's, given or fitted (link.py). It assumes that
the steps are synchronous, the network is otherwise idle, and every rank is as fast as the recorded ones. It says nothing about accuracy:
more ranks mean a larger global batch, fewer steps and another loss.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, DataError
from ..report.load import has_feedback
from .link import Fit, Link, Measurement, fit, fit_each
from .profile import job, of_run, refuse_ratio, typical

LATENCY_S = 50e-6
"""α where nobody says: MPI over TCP on a local Ethernet takes 20 to 100 µs a message."""

SAME = "with the same options, data, model, optimizer and batch"
"""What a run that is predicted shares with the runs it is predicted from, beside codec and collective."""


@dataclass(frozen=True)
class Predicted:
    """epoch_s = steps · step_s. parts: {phase: seconds per step}, comm among them. link: None if comm is as measured."""

    epoch_s: float
    step_s: float
    steps: float
    parts: dict
    link: Link | None
    clock: str
    notes: tuple


@dataclass(frozen=True)
class Comparison:
    """A measured run and what was predicted for it from the run `source`. error: predicted / measured - 1.

    job: what codecs that are compared have in common, as profile.job says it. title: model and data, for a reader.
    """

    run_id: str
    spec: str
    collective: str
    ranks: int
    rate_bps: float
    source: str
    measured_s: float
    predicted_s: float
    job: str = ""
    title: str = ""
    feedback: bool = False

    @property
    def label(self):
        return self.spec + (" +EF" if self.feedback else "")

    @property
    def error(self):
        return self.predicted_s / self.measured_s - 1


def predict_run(run, *, ranks=None, alpha=None, beta=None, rate=None, collective=None, clock=None):
    """Predicted epoch of a recorded run.

    ranks: how many (default: the run's). alpha, beta: seconds per message and per byte; rate: the line's bits per second, instead
    of beta. What is missing of a link comes from the run: its recorded rate, and the α that explains its own times at that rate
    (LATENCY_S if it has no rate). With none of them the network's time is the one measured, so that the run's own settings give
    its own time. clock: "wall" or "cpu" for the phases; default CPU time where ranks shared cores, which the notes say.

    ConfigError if it takes a link that cannot be known; IncompatibleError if the messages would change with the ranks.
    """
    if beta is not None and rate is not None:
        raise ConfigError("expected beta or rate, got both: they say the same")
    refuse_ratio(run, ranks or run.ranks)
    profile = of_run(run, clock)
    link = None
    if not (alpha is beta is rate is None):
        link = _link(profile, alpha, beta, rate)
    elif ranks not in (None, run.ranks) or collective not in (None, profile.collective):
        link = _link(profile, None, None, None)
    return predict(profile, link, ranks, collective)


def predict(profile, link, ranks=None, collective=None):
    """Predicted of a profile. link: None for the measured time of the network."""
    step = profile.step_s(link, ranks, collective)
    work = profile.work(ranks, collective)
    steps = profile.epoch_steps(ranks)
    return Predicted(steps * step, step, steps, work | {"comm": step - sum(work.values())}, link, profile.clock, profile.notes)


def own_alpha(profile):
    """The α that explains the network's time in this profile at its recorded rate; LATENCY_S if no rate or time was recorded."""
    if not profile.rate_bps > 0 or not profile.comm > 0 or profile.ranks == 1:
        return LATENCY_S
    cost = profile.cost()
    return max(0.0, profile.comm - cost.transfer(Link.of_rate(profile.rate_bps).beta)) / cost.rounds


def _link(profile, alpha, beta, rate):
    rate = profile.rate_bps if rate is None else rate
    if beta is None and not rate > 0:
        raise ConfigError(f"{profile.spec}: expected beta or rate, got none, and the run was recorded on a network of unknown rate")
    alpha = own_alpha(profile) if alpha is None else alpha
    return Link.of_rate(rate, alpha) if beta is None else Link(alpha, beta)


def measurements(runs, clock=None):
    """[Measurement]: what the runs' time beside their work says about the network. Runs that say nothing are left out."""
    found = []
    for run in runs:
        try:
            found.append(of_run(run, clock).measurement)
        except DataError:
            continue
    return found


def predictions(sources, targets, extra=(), clock="wall"):
    """[Comparison]: every run of `targets` predicted from those of `sources`, which alone (with `extra` Measurements) are fitted.

    A target's sources are the runs of the same codec, its options and the same job whose ranks are nearest; of several the median.
    α and β are fitted for each collective apart where its measurements allow it, else for all together; β goes with the targets'
    recorded rates. Phases are wall time, because targets are taken to run on the sources' machine. DataError if nothing can be fitted
    or compared.
    """
    measured = [*measurements(sources, clock), *extra]
    apart, together = fit_each(measured), fit(measured)
    found = []
    for target in targets:
        name = target.config["collective"]["name"]
        alike = [run for run in sources if _work(run) == _work(target)]
        if not alike:
            continue
        source = min(alike, key=lambda run: (abs(np.log(run.ranks / target.ranks)), run.run_id))
        refuse_ratio(source, target.ranks)
        profile = typical([of_run(run, clock) for run in alike if run.ranks == source.ranks])
        rate = float(target.environment.get("link_rate_bps", np.nan))
        goal = of_run(target, clock)
        model = apart.get(profile.formula(), together)
        link = model.at_rate(rate) if rate > 0 else model.link
        predicted = predict(profile, link, target.ranks)
        title = " on ".join(target.config.get(section, {}).get("name", "?") for section in ("model", "data"))
        times = goal.steps * goal.step_s(), predicted.epoch_s
        found.append(
            Comparison(
                target.run_id, target.spec, name, target.ranks, rate, source.run_id, *times, job(target), title, has_feedback(target)
            )
        )
    if not found:
        raise DataError(
            f"expected a run of the same codec and collective, {SAME}, for at least one of the runs to predict, got none; codecs to "
            f"predict: {_specs(targets)}; codecs of the other runs: {_specs(sources)}"
        )
    return found


def _work(run):
    """What a run must share with another to be predicted from it: codec, its options, and job."""
    options = {name: value for name, value in run.config.get("codec", {}).items() if name not in ("uplink", "error_feedback")}
    return run.spec, has_feedback(run), options, job(run)


def _specs(runs):
    return ", ".join(sorted({run.spec for run in runs}))


__all__ = [
    "Comparison", "Fit", "Link", "Measurement", "Predicted", "fit", "fit_each", "measurements", "own_alpha", "predict", "predict_run",
    "predictions",
]  # fmt: skip

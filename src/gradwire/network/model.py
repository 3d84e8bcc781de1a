"""Predicted epoch times of recorded runs on other networks and with other numbers of ranks, and how far predictions were off.

    time of a step = work on the critical path (profile.py) + rounds · α + bytes through the busiest link · β (costs.py)

The work is what the run measured; bytes are those of its messages; α and β are a link's, given or fitted (link.py). It assumes that
the steps are synchronous, the network is otherwise idle, and every rank is as fast as the recorded ones. It says nothing about accuracy:
more ranks mean a larger global batch, fewer steps and another loss.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, DataError
from .link import Fit, Link, Measurement, fit, fit_each
from .profile import of_run, refuse_ratio, typical

LATENCY_S = 50e-6
"""α where nobody says: MPI over TCP on a local Ethernet takes 20 to 100 µs a message."""


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
    """A measured run and what was predicted for it from the run `source`. error: predicted / measured - 1."""

    run_id: str
    spec: str
    collective: str
    ranks: int
    rate_bps: float
    source: str
    measured_s: float
    predicted_s: float

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

    A target's sources are the runs of the same codec and collective whose ranks are nearest; of several the median. α and β are fitted
    for each collective apart where its measurements allow it, else for all together; β goes with the targets' recorded rates. Phases are
    wall time, because targets are taken to run on the sources' machine. DataError if nothing can be fitted or compared.
    """
    measured = [*measurements(sources, clock), *extra]
    apart, together = fit_each(measured), fit(measured)
    found = []
    for target in targets:
        name = target.config["collective"]["name"]
        alike = [run for run in sources if run.spec == target.spec and run.config["collective"]["name"] == name]
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
        found.append(
            Comparison(target.run_id, target.spec, name, target.ranks, rate, source.run_id, goal.steps * goal.step_s(), predicted.epoch_s)
        )
    if not found:
        raise DataError("expected a run of the same codec and collective for at least one of the runs to predict, got none")
    return found


__all__ = [
    "Comparison", "Fit", "Link", "Measurement", "Predicted", "fit", "fit_each", "measurements", "own_alpha", "predict", "predict_run",
    "predictions",
]  # fmt: skip

"""Profile: what one step of a job costs the processors and what it sends, so that its time can be predicted for other ranks and links.

Of a recorded run (`of_run`): medians over the epochs after warm-up. The phases of a run are taken apart into the work on one message,
because they change with the number of ranks P in different ways:

- compute, encode and other are per rank: the batch is one rank's, so they stay, and an epoch has 1/P as many steps.
- decoding grows with P where all messages come to one place: at gather_bcast's root and at every rank of allgather.
- encoding and decoding the mean, and the update, grow with its number of entries: the union of the ranks' keys. That follows
  Heaps' law, nnz(mean) = nnz(message) · P^growth, and growth comes from the run's own bytes: log(down / up) / log P. It is 0 if all
  ranks send the same keys (a dense gradient), 1 if they share none, and the mean never has more than dim entries.

All of this counts entries, not messages: what a message costs however small it is stays unknown, so that another collective with many
small messages, reduce_scatter, is predicted too cheap (measured: natural's encoding by a factor of 3 at 5,000 entries a part).

What is left of the step's time, after the work on the critical path, is `comm`: transfers, barriers, waiting for stragglers.
If several ranks shared a core, wall time is not theirs alone, and CPU time stands for it (`clock`).
"""

import json
from dataclasses import dataclass, fields, replace
from math import log

import numpy as np

from .. import spec as specs
from ..errors import ConfigError, DataError, IncompatibleError
from ..report.load import column, n_epochs
from ..report.measures import steady
from .costs import cost
from .link import Measurement

_TWO_WAY = ("gather_bcast", "reduce_scatter", "switch")


@dataclass(frozen=True)
class Profile:
    """Seconds per step and bytes per exchange at `ranks` ranks.

    encode, decode: of one rank's message. encode_mean, decode_mean: of the mean of all ranks. up, down: bytes of these two messages.
    growth: exponent of Heaps' law. most: entries of the mean over those of a message, at most. comm: the measured rest of the step,
    NaN if there was none. clock: wall or CPU, what the phases are. every: steps per exchange. notes: what a reader must know. per_node,
    between: of hierarchical, the ranks of a node and the collective between nodes; what happens inside a node counts with its leader.
    """

    spec: str
    collective: str
    ranks: int
    steps: float
    up: float
    down: float
    growth: float
    most: float
    compute: float
    encode: float
    decode: float
    encode_mean: float
    decode_mean: float
    update: float
    other: float = 0.0
    comm: float = np.nan
    clock: str = "wall"
    every: int = 1
    rate_bps: float = np.nan
    notes: tuple = ()
    per_node: int = 1
    between: str = ""

    def senders(self, ranks):
        """How many messages there are: one of each rank, of hierarchical one of each node."""
        return -(-ranks // self.per_node)

    def union(self, ranks):
        """Entries of the mean of so many ranks over those of one message."""
        return min(self.senders(ranks) ** self.growth, self.most)

    def more(self, ranks):
        """Entries of the mean of so many ranks over those of this profile's mean."""
        return self.union(ranks) / self.union(self.ranks)

    def work(self, ranks=None, collective=None):
        """{phase: seconds per step} on the critical path: everything but the network."""
        ranks = ranks or self.ranks
        more, senders, collective = self.more(ranks), self.senders(ranks), self._carrier(collective)
        at_once = {"gather_bcast": 1.0, "reduce_scatter": 1 / senders}.get(collective, 0.0)  # of the mean, encoded by one rank
        messages = senders if collective in ("gather_bcast", "allgather") else 1
        return {
            "compute": self.compute,
            "encode": self.encode + at_once * more * self.encode_mean,
            "decode": messages * self.decode + (more * self.decode_mean if at_once else 0.0),
            "update": more * self.update,
            "other": self.other,
        }

    def cost(self, ranks=None, collective=None):
        """Cost per step of the network."""
        ranks = ranks or self.ranks
        whole = cost(self.formula(collective), self.senders(ranks), self.up, self.down * self.more(ranks))
        return whole.spread(self.every)

    def formula(self, collective=None):
        """The name that costs.py has for what the network sees."""
        collective = self._carrier(collective)
        return "allreduce_halves" if collective == "allreduce" and _adds_halves(self.spec) else collective

    def _carrier(self, collective):
        """The collective that the network sees: that between the nodes, where there are nodes."""
        collective = collective or self.collective
        if (collective == "hierarchical") != bool(self.between):
            raise IncompatibleError(
                f"{self.spec}: nodes add up what their ranks send; for hierarchical, and only for it, record a run with it"
            )
        if not self.between and collective != self.collective and (self.sends_own or _sends_own(collective)):
            raise IncompatibleError(
                f"{self.spec}: {collective} does not send what {self.collective} has sent; record a run with {collective}"
            )
        return self.between or collective

    @property
    def sends_own(self):
        """Whether the run's collective sent something else than the codec's messages."""
        return _sends_own(self.between or self.collective)

    def step_s(self, link=None, ranks=None, collective=None):
        """Seconds of one step. Without a link: as measured, at the profile's own ranks and collective only."""
        if link is not None:
            return sum(self.work(ranks, collective).values()) + self.cost(ranks, collective).seconds(link.alpha, link.beta)
        if ranks not in (None, self.ranks) or collective not in (None, self.collective) or np.isnan(self.comm):
            raise ConfigError("expected a link (alpha and beta, or a rate) for other ranks or another collective than the recorded ones")
        return sum(self.work().values()) + self.comm

    def epoch_steps(self, ranks=None):
        """Steps of an epoch of the same rows."""
        return max(1, round(self.steps * self.ranks / ranks)) if ranks else self.steps

    @property
    def measurement(self):
        """What the step's rest says about the link, for `link.fit`; DataError if there was none."""
        if not self.comm > 0 or self.senders(self.ranks) == 1:
            raise DataError(
                f"{self.spec}: expected a run of several ranks with time left for the network, got {self.comm * 1e3:.3g} ms a step"
            )
        return Measurement(self.formula(), self.senders(self.ranks), self.up, self.down, self.comm * self.every, self.rate_bps)


def of_run(run, clock=None):
    """Profile of a recorded run. clock: "wall" or "cpu"; None takes CPU time where ranks shared cores.

    DataError for a run without a finished epoch or bytes.
    """
    if not n_epochs(run):
        raise DataError(f"{run.path}: expected at least one finished epoch, got none")
    if run.is_mixed:
        raise DataError(f"{run.path}: expected epochs of one number of ranks, got {run.ranks_text}")
    shared = run.environment.get("ranks_per_host", 0) > run.environment.get("cores", np.inf)
    clock = clock or ("cpu" if shared else "wall")
    collective, ranks, options = run.config["collective"]["name"], run.ranks, run.config["collective"]
    steps = float(column(run, "steps")[-1].max())
    every = int(run.config["run"].get("local_steps", 1))
    leads = _typical(run, "uplink_bytes") > 0 if collective == "hierarchical" else np.full(ranks, True)
    if not _typical(run, "uplink_bytes").any():
        raise DataError(f"{run.path}: expected messages, got none: nothing was sent")
    senders = int(leads.sum())
    between = specs.split(options.get("between", "allgather"))[0][0] if collective == "hierarchical" else ""
    up, down = (float(_typical(run, f"{way}link_bytes")[leads].mean()) / steps * every for way in ("up", "down"))
    most = max(1.0, run.dim * steps / max(float(_typical(run, "message_nnz")[leads].mean()) * every, 1.0))
    growth, notes = _growth(run, between or collective, senders, up, down)
    if (between or collective) not in _TWO_WAY:  # no message of the mean was made: one like the senders' own, of as many entries as it has
        down = up * min(senders**growth, most)
    wall, seconds = ({phase: _typical(run, f"{phase}_{each}_s") / steps for phase in _PHASES} for each in ("wall", clock))
    rest = {"spec": run.spec, "collective": collective, "ranks": ranks, "steps": steps, "every": every}
    rest |= {"up": up, "down": down, "growth": growth, "most": most, "per_node": -(-ranks // senders), "between": between}
    root = int(np.flatnonzero(leads)[options.get("root", 0)])
    bare = Profile(**rest, **_apart(wall, rest, leads, root))
    epoch = float(np.median(column(run, "epoch_time_s").max(axis=1)[steady(run)]))
    found = bare if clock == "wall" else Profile(**rest, **_apart(seconds, rest, leads, root))
    if shared:
        said = "wall time all the same" if clock == "wall" else "CPU time, without waiting for a core"
        notes += (f"Ranks shared cores; phases are {said}.",)
    extra = {"comm": epoch / steps - sum(bare.work().values()), "clock": "CPU" if clock == "cpu" else "wall", "notes": notes}
    return Profile(**{**vars(found), **extra, "rate_bps": float(run.environment.get("link_rate_bps", np.nan))})


def typical(profiles):
    """The medians of the profiles of one job: repeats, or runs at several rates."""
    numbers = [each.name for each in fields(Profile) if isinstance(getattr(profiles[0], each.name), float)]
    return replace(profiles[0], **{name: float(np.median([getattr(each, name) for each in profiles])) for name in numbers})


_PHASES = ("compute", "encode", "decode", "update", "other")


def _typical(run, name):
    """float (ranks,): a column's median over the epochs after warm-up."""
    return np.median(column(run, name)[steady(run)], axis=0)


def _growth(run, collective, senders, up, down):
    """(exponent of Heaps' law, notes)."""
    if collective in ("allreduce", "powersgd"):  # what they send is as long as their sum
        return 0.0, ()
    same = run.config.get("codec", {}).get("downlink", "same") in ("same", run.spec)
    if collective in _TWO_WAY and same and senders > 1:
        return min(max(log(down / up) / log(senders), 0.0), 1.0), ()
    why = "no message of the mean was recorded" if same else "the mean was sent by another codec"
    return 1.0, (f"{run.spec}: {why}; its entries are taken to grow as if ranks shared no key, at most to dim.",)


def _apart(seconds, about, leads, root):
    """The phases of a run, {phase: float (ranks,)}, as the work on one message and on the mean. leads: the ranks that send."""
    senders, collective = int(leads.sum()), about["between"] or about["collective"]
    whole = min(senders ** about["growth"], about["most"])
    encode, decode = seconds["encode"], seconds["decode"]
    if collective == "gather_bcast" and senders > 1:
        others = leads & (np.arange(len(leads)) != root)
        own, reply = np.median(encode[others]), np.median(decode[others])
        parts = own, max(decode[root] - reply, 0.0) / senders, max(encode[root] - own, 0.0), reply
    elif collective == "gather_bcast":  # the one sender encodes and decodes the same entries twice
        parts = encode[root] / 2, decode[root] / 2, encode[root] / 2, decode[root] / 2
    else:
        own = encode[leads].max() / (1 + whole / senders if collective == "reduce_scatter" else 1)
        one = decode[leads].max() / {"reduce_scatter": 1 + whole, "allgather": senders}.get(collective, 1)
        parts = own, one, own * whole, one * whole
    found = dict(zip(("encode", "decode", "encode_mean", "decode_mean"), map(float, parts)))
    return found | {phase: float(seconds[phase].max()) for phase in ("compute", "update", "other")}


def _sends_own(collective):
    return bool(specs.lookup("collectives", collective).in_place_of)


def _adds_halves(spec):
    """Whether the codec's values are 16-bit floats, which allreduce cannot leave to MPI."""
    values = specs.codec(spec).summable
    return values is not None and np.dtype(values.sum_dtype).itemsize == 2


def job(run):
    """Text of all that runs share which do the same work with different codecs: data, model, optimizer, collective and batch."""
    same = {section: run.config.get(section) for section in ("data", "model", "optimizer", "collective")}
    batch = {name: value for name, value in run.config["run"].items() if name in ("batch_size", "batch_ratio", "local_steps")}
    return json.dumps((same, batch), sort_keys=True, default=str)


def refuse_ratio(run, ranks):
    """IncompatibleError if the run's messages would change with the number of ranks: its batch is a share of a rank's rows."""
    if ranks != run.ranks and run.config["run"].get("batch_ratio") is not None:
        raise IncompatibleError(f"{run.path}: run.batch_ratio makes messages change with the ranks; predict a run with run.batch_size")

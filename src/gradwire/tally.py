"""Tally: what one rank's exchanges of an epoch were, as columns of the epoch's row (recorder.py says what each is)."""

import math
from functools import partial

import numpy as np

from ._ext import sparse as _sparse
from .bounds import log2_binomial

_SUMS = ("exchanges", "nnz", "message_nnz", "overflow", "entropy_bits", "lost", "norm")
_LEDGER = ("sent", "received", "local", "control")


class Tally:
    """Sums over the exchanges of an epoch. exchange: the epoch's Exchange, whose watch and ledger have the times and the bytes."""

    def __init__(self, exchange, dim):
        self.exchange, self.dim = exchange, dim
        self.exchanges = self.nnz = self.message_nnz = self.overflow = 0
        self.entropy_bits = self.lost = self.norm = 0.0

    def add(self, gradient):
        """Count the last exchange. gradient: what this rank put into it, fresh."""
        self.exchanges += 1
        self.nnz += gradient.nnz
        keys = {}
        for sent in self.exchange.sent:
            self.message_nnz += sent.message.nnz
            self.overflow += sent.codec.count_overflow(sent.part.gradient)
            for number, (dim, nnz) in enumerate(sent.codec.key_sets(sent.message)):
                at = sent.part.start, number, dim  # slices of one range are one set of keys
                keys[at] = keys.get(at, 0) + nnz
        self.entropy_bits += sum(log2_binomial(dim, nnz) for (_, _, dim), nnz in keys.items())

    def sample(self):
        """Add |x − decoded|² and |x|² of the gradient x that was encoded last."""
        x = self.exchange.encoded
        if x is None:
            return
        decoded = self.exchange.decoded()
        if x.is_dense or decoded.is_dense:
            rest = x.to_dense() - decoded.to_dense()
        else:
            _, rest = _sparse.add(x.keys, x.values, decoded.keys, -decoded.values)
        self.lost += float(np.square(rest, dtype=np.float64).sum())
        self.norm += float(np.square(x.values, dtype=np.float64).sum())

    def state(self):
        """Name → number, for a checkpoint within the epoch: the sums so far, and those of watch and ledger."""
        return {f"{kind}/{name}": value for kind, (of, _) in self._sums().items() for name, value in of.items()}

    def restore(self, state):
        """Continue from `state()`."""
        for kind, (of, put) in self._sums().items():
            for name, value in of.items():
                put(name, type(value)(state[f"{kind}/{name}"]))

    def _sums(self):
        """Kind → (name → value, what sets one)."""
        watch, ledger = self.exchange.watch, self.exchange.ledger
        dicts = {"wall": watch.wall, "cpu": watch.cpu, "uplink": ledger.uplink, "downlink": ledger.downlink}
        owners = {"sums": (self, _SUMS), "ledger": (ledger, _LEDGER)}
        found = {kind: (sums, sums.__setitem__) for kind, sums in dicts.items()}
        return found | {kind: ({name: getattr(of, name) for name in names}, partial(setattr, of)) for kind, (of, names) in owners.items()}

    @property
    def vnmse(self):
        """Of the samples; NaN for a rank that encodes nothing (hierarchical): it has no error of its own."""
        return self.lost / self.norm if self.norm else 0.0 if self.exchange.sent else math.nan

    def columns(self):
        """Column → this rank's value."""
        watch, ledger = self.exchange.watch, self.exchange.ledger
        phases = watch.phases()
        columns = {f"{phase}_{clock}_s": seconds for clock in phases for phase, seconds in phases[clock].items()}
        for link, split in (("uplink", ledger.uplink), ("downlink", ledger.downlink)):
            columns[f"{link}_bytes"] = sum(split.values())
            columns |= {f"{link}_{part}_bytes": nbytes for part, nbytes in split.items()}
        return columns | {
            "epoch_time_s": watch.wall["step"],
            "comm_wait_s": watch.wall["wait"],
            "sent_bytes": ledger.sent,
            "received_bytes": ledger.received,
            "local_bytes": ledger.local,
            "control_bytes": ledger.control,
            "dense_baseline_bytes": 4 * self.dim * self.exchanges,
            "sparse_baseline_bytes": 8 * self.nnz,
            "entropy_bound_bytes": math.ceil(self.entropy_bits / 8),
            "nnz": self.nnz,
            "message_nnz": self.message_nnz,
            "overflow": self.overflow,
            "vnmse": self.vnmse,
        }

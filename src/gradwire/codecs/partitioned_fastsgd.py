"""partitioned-fastsgd: FastSGD's values with keys in partitions of one bit width each, the proposal of a reading report on FastSGD."""

from dataclasses import dataclass

from ..spec import build
from .composed import Composed
from .fastsgd import FastSGD
from .keys.partitioned import Partitioned


@dataclass(frozen=True)
class PartitionedFastSGD(FastSGD):
    """partitioned(length_bits, width_bits) + logquant(tau, base, rounding, scale, coding)."""

    length_bits: int = Partitioned.length_bits
    width_bits: int = Partitioned.width_bits

    name = "partitioned-fastsgd"
    summary = "log-quantised values with a threshold filter, keys in partitions of the optimal bit widths"
    paper = "C. Huang, reading report on FastSGD; VSEncoding, Silvestri and Venturini, CIKM 2010"

    def compose(self):
        keys = build("keys", "partitioned", {"length_bits": self.length_bits, "width_bits": self.width_bits})
        return Composed(None, keys, self._values(), self.spec)

"""powersgd: each matrix of the gradient is sent as two thin factors, found by one step of a power iteration across all ranks.

Vogels, Karimireddy, Jaggi: PowerSGD, NeurIPS 2019, Algorithms 1 and 2. With M the gradient of a rank plus its residual, n × m, and Q of
the step before (warm start), m × k:

    P ← mean over ranks of M·Q        the first Allreduce; blocks that are no matrices, or not worth it, travel in it uncompressed
    P ← orthonormal columns of P
    Q ← mean over ranks of Mᵀ·P       the second
    mean ← P·Qᵀ;  residual ← M − P·(Mᵀ·P)ᵀ

The residual is what this rank's own M lost, Algorithm 2's "local errors", so decoded + residual = gradient + old residual holds on every
rank. (The authors' code and PyTorch's hook subtract the mean instead: the same sum over ranks, so the same training, but then what ranks
disagree about adds up in their residuals for ever.) So vNMSE is what the factors lose of a rank's own gradient.

Two things are not in the paper: Q is made orthonormal too before it is used, which changes no span, so that factors neither overflow nor
vanish where the gradient does not; and a column that is zero, or depends on others, is replaced by a random one, without which a gradient
of zeros would end the iteration for good. There is one iteration a step. Adaptive numbers of columns and 16-bit factors are not here.
"""

from dataclasses import dataclass

import numpy as np

from .._ext import sparse as _sparse
from ..blocks import Block
from ..codecs.none import Uncompressed
from ..errors import ConfigError, DataError, Diverged, IncompatibleError
from ..gradient import Gradient
from .base import Collective
from .exchange import Part, Sent
from .factors import layout, left_factor, orthonormal, right_factor
from .transport import total_of


@dataclass(frozen=True)
class PowerSGD(Collective):
    """columns: of each factor, the paper's rank r; fewer where a matrix has fewer rows or columns. warm_start: whether a step begins with
    the Q of the one before, else with a random one. min_compression: a matrix whose factors are not so many times smaller travels
    uncompressed."""

    columns: int = 2
    warm_start: bool = True
    min_compression: float = 2.0

    name = "powersgd"
    summary = "matrices as two thin factors, by a power iteration of two allreduces; with error feedback"
    paper = "Vogels, Karimireddy, Jaggi, PowerSGD, NeurIPS 2019"
    needs_dense = True
    needs_feedback = True
    in_place_of = "allreduce"

    def __post_init__(self):
        if type(self.columns) is not int or not 1 <= self.columns <= 1 << 16:
            raise ConfigError(f"expected columns in 1 … 65536, got {self.columns!r}")
        if not isinstance(self.warm_start, bool):
            raise ConfigError(f"expected warm_start as true or false, got {self.warm_start!r}")
        least = self.min_compression
        if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least < np.inf:
            raise ConfigError(f"expected min_compression as a number ≥ 0, got {least!r}")

    @classmethod
    def takes(cls, uplink):
        return isinstance(uplink, Uncompressed)

    def _accepted(self):
        return 'none alone (codec.uplink = "none"), as it sends factors in fp32 in the place of a codec\'s messages'

    def memory(self, dim, blocks):
        return Memory(self, dim, blocks)

    def check_memory(self, memory):
        if memory is not None and getattr(memory, "collective", None) != self:
            raise IncompatibleError(f"{self.spec}: expected a memory that it has made, got {memory!r}")

    def average(self, exchange, gradient, step):
        watch, size = exchange.watch, exchange.comm.size
        with watch("encode"):
            exchange.prepare(gradient)
            exchange.encoded.check_finite(step.rank)
            values = exchange.encoded.values
            memory = exchange.memory or self.memory(gradient.dim, (Block("", 0, (gradient.dim,)),))
            memory.check(gradient.dim)
            blocks = memory.layout
            right = [orthonormal(q, step, f"q/{matrix.start}") for q, matrix in zip(memory.factors(), blocks.matrices)]
            first = _first(blocks, values, right)
        first = _sum(exchange, first)
        with watch("encode"):
            _check_first(first, blocks, size)
            sums = blocks.split(first[blocks.plain_size :], "rows")
            left = [orthonormal(p, step, f"p/{matrix.start}") for p, matrix in zip(sums, blocks.matrices)]
            second = _second(blocks, values, left)
            own = _Own(blocks, values, left, blocks.split(second, "cols"))
            exchange.sent.append(Sent(Part(exchange.encoded, 0, step), own, own))
            exchange.remember()
        if len(second):
            second = _sum(exchange, second) * np.float32(1 / size)
        with watch("decode"):
            mean = _joined(blocks, first[: blocks.plain_size] * np.float32(1 / size), left, blocks.split(second, "cols"))
            if (at := _sparse.first_nonfinite(mean)) >= 0:
                raise Diverged(f"powersgd: the sum over {size} ranks overflows fp32 at key {at}")
            memory.keep(second)
            return Gradient.trusted(mean, gradient.dim)


class Memory:
    """What a step hands to the next, equal on all ranks: every matrix' Q, and where the matrices lie among `dim` parameters.

    state: {"q": float32 (Σ columns · cols,)}, zeros before the first step; nothing without a warm start.
    """

    def __init__(self, collective, dim, blocks):
        self.collective = collective
        self.layout = layout(dim, blocks, collective.columns, collective.min_compression)
        self._q = np.zeros(self.layout.size("cols"), np.float32)

    def __repr__(self):
        return f"Memory({self.collective}, dim={self.layout.dim}, {len(self.layout.matrices)} matrices)"

    def check(self, dim):
        """IncompatibleError if it is not for gradients of this dim."""
        if dim != self.layout.dim:
            raise IncompatibleError(f"powersgd: a memory for dim {self.layout.dim} got a gradient of dim {dim}")

    def factors(self):
        """[float32 (columns, cols)]: the Q of each matrix."""
        return self.layout.split(self._q, "cols")

    def keep(self, q):
        """Remember q, float32 (Σ columns · cols,), for the next step."""
        if self.collective.warm_start:
            self._q = q

    def state(self):
        """Arrays for a checkpoint."""
        return {"q": self._q} if self.collective.warm_start else {}

    def restore(self, state):
        """Continue from `state()`. DataError if it is of another model."""
        if self.collective.warm_start:
            if state["q"].shape != self._q.shape:
                raise DataError(f"powersgd: expected {len(self._q)} values of factors, got an array of shape {state['q'].shape}")
            self._q = np.array(state["q"], np.float32)


class _Own:
    """What this rank's gradient became, where other collectives have a message and its codec: its own part of the mean, P·(Mᵀ·P)ᵀ."""

    def __init__(self, blocks, values, left, right):
        self.blocks, self.values, self.left, self.right = blocks, values, left, right
        self.nnz = self.dim = blocks.dim

    def decode(self, message, step):
        plain = np.empty(self.blocks.plain_size, np.float32)
        self.blocks.take_plain(self.values, plain)
        return Gradient.trusted(_joined(self.blocks, plain, self.left, self.right), self.dim)

    def key_sets(self, message):
        return []

    def count_overflow(self, gradient):
        return 0


def _first(blocks, values, right):
    """float32: the plain values and this rank's M·Q of every matrix."""
    buffer = np.empty(blocks.plain_size + blocks.size("rows"), np.float32)
    blocks.take_plain(values, buffer[: blocks.plain_size])
    with np.errstate(over="ignore", invalid="ignore"):  # found in the sum
        for matrix, q, p in zip(blocks.matrices, right, blocks.split(buffer[blocks.plain_size :], "rows")):
            left_factor(matrix.of(values), q, p)
    return buffer


def _second(blocks, values, left):
    """float32: this rank's Mᵀ·P of every matrix."""
    buffer = np.empty(blocks.size("cols"), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for matrix, p, q in zip(blocks.matrices, left, blocks.split(buffer, "cols")):
            right_factor(matrix.of(values), p, q)
    return buffer


def _joined(blocks, plain, left, right):
    """float32 (dim,): plain values and products."""
    whole = np.empty(blocks.dim, np.float32)
    blocks.put_plain(whole, plain)
    with np.errstate(over="ignore", invalid="ignore"):
        for matrix, p, q in zip(blocks.matrices, left, right):
            matrix.put(whole, p, q)
    return whole


def _sum(exchange, mine):
    """float32: the sum of every rank's `mine`, which MPI adds."""
    exchange.meet()
    with exchange.watch("transfer"):
        total = total_of(exchange.comm, mine, exchange.ledger)
    exchange.ledger.up({"values": mine.nbytes})
    exchange.ledger.down({"values": mine.nbytes})
    return total


def _check_first(total, blocks, size):
    """Diverged, the same on all ranks, if the first sum is not finite."""
    at = _sparse.first_nonfinite(total)
    if at < 0:
        return
    if at < blocks.plain_size:
        where = f"at key {blocks.key_of_plain(at)}"
    else:
        sums = blocks.split(total[blocks.plain_size :], "rows")
        bad = next(matrix for matrix, p in zip(blocks.matrices, sums) if not np.isfinite(p).all())
        where = f"in the factors of keys {bad.start} … {bad.start + bad.size - 1}" + (f" ({bad.name})" if bad.name else "")
    raise Diverged(f"powersgd: the sum over {size} ranks overflows fp32 {where}")

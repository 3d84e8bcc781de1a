"""Error feedback around any codec: what one message loses is added to the next gradient.

    decoded + new residual = gradient + old residual        (in exact arithmetic; float32 rounds each difference once)

Seide et al., Interspeech 2014; Karimireddy et al., ICML 2019. With momentum it is the momentum correction of Deep Gradient
Compression (Lin et al., ICLR 2018), u the velocity, v the residual:

    u ← momentum · u + gradient;  v ← v + u;  v is encoded;  v ← v − decoded;  with masking, u ← 0 wherever decoded is not 0

Its gradient clipping (Section 3.2) comes before that: of P ranks, whose mean's norm is to be about clip_norm at most, each scales its
gradient to a norm of at most √P · clip_norm. The paper's threshold is clip_norm / √P for 1/P of the gradient, a rank's share of the mean:
of P independent gradients of one size the mean is √P times smaller than each.

The residual and the velocity of sparse gradients are kept as sorted pairs, so a step costs O(nnz + stored pairs) and never O(dim).
"""

import math

import numpy as np

from .._ext import randomk as _randomk
from .._ext import sparse as _sparse
from ..errors import ConfigError, IncompatibleError
from ..gradient import Gradient

NEGLIGIBLE = np.float32(2**-25)
"""A velocity of at most so much of its residual: float32's sum of the two is the residual."""


class ErrorFeedback:
    """One rank's residual, and velocity, for gradients of dimension `dim`.

    momentum: in [0, 1); 0 is plain error feedback. masking: whether what is sent stops its velocity (factor masking); without it a
    codec that sends everything is momentum on each rank. A velocity that float32 cannot add to its residual any more is forgotten: after
    about log(2⁻²⁵ / (1 − momentum)) / log(momentum) steps without a gradient, 143 for 0.9. So stored pairs of u are those of recent keys.
    clip_norm: Euclidean norm, of the mean over ranks, from which on gradients are scaled down; 0 never.

    sent = feedback.compensate(gradient); message = codec.encode(sent, step); feedback.update(sent, codec.decode(message, step)).
    """

    def __init__(self, dim, momentum=0.0, masking=True, clip_norm=0.0):
        if isinstance(momentum, bool) or not isinstance(momentum, int | float) or not 0 <= momentum < 1:
            raise ConfigError(f"expected momentum in [0, 1), got {momentum!r}")
        if not isinstance(masking, bool):
            raise ConfigError(f"expected masking as True or False, got {masking!r}")
        if isinstance(clip_norm, bool) or not isinstance(clip_norm, int | float) or not 0 <= clip_norm < math.inf:
            raise ConfigError(f"expected clip_norm as a number ≥ 0, got {clip_norm!r}")
        self.dim, self.momentum, self.masking, self.clip_norm = dim, momentum, masking, clip_norm
        self._kept = self._velocity = self._moving = Gradient(np.empty(0, np.float32), dim, np.empty(0, np.uint32))

    @property
    def residual(self):
        """float32 (dim,), a copy."""
        return np.array(self._kept.to_dense())

    @property
    def velocity(self):
        """float32 (dim,), a copy; zeros without momentum."""
        return np.array(self._velocity.to_dense())

    def compensate(self, gradient, ranks=1):
        """gradient + residual, or velocity + residual, the gradient clipped; fresh_nnz counts its entries alone. Both stay until `update`.

        ranks: how many gradients the mean is of, for clip_norm.
        """
        self._check(gradient)
        moving = gradient = self._clipped(gradient, ranks)
        if self.momentum:
            old = self._velocity
            slower = Gradient.trusted(old.values * np.float32(self.momentum), self.dim, old.keys)
            moving = self._moving = _sum(gradient, slower, 1.0)
        total = _sum(moving, self._kept, 1.0)
        total.fresh_nnz = gradient.nnz
        return total

    def update(self, sent, decoded):
        """residual = sent − decoded, `sent` being what `compensate` gave last; the velocity goes on where it is not masked."""
        self._check(sent)
        self._check(decoded)
        rest = _sum(sent, decoded, -1.0)
        self._kept = rest if rest.is_dense else rest.without_zeros()
        if self.momentum:
            self._velocity = self._going_on(decoded)

    def _clipped(self, gradient, ranks):
        norm = math.sqrt(np.square(gradient.values, dtype=np.float64).sum()) if self.clip_norm else 0.0
        most = self.clip_norm * math.sqrt(ranks)
        if norm <= most or not math.isfinite(norm):  # what is not finite is refused by encode, which names it
            return gradient
        return Gradient.trusted(gradient.values * np.float32(most / norm), self.dim, gradient.keys, gradient.fresh_nnz)

    def _going_on(self, decoded):
        """The velocity after the step: not where something was sent, and not where it is negligible."""
        u = self._moving
        going = np.abs(u.values) > NEGLIGIBLE * np.abs(_at(self._kept, u.keys))
        if self.masking:
            going &= _at(decoded, u.keys) == 0
        if u.is_dense:
            return Gradient.trusted(u.values * going, self.dim)
        keys, values = _sparse.compress(going.view(np.uint8), u.keys, u.values)
        return Gradient.trusted(values, self.dim, keys)

    def _check(self, gradient):
        if gradient.dim != self.dim:
            raise IncompatibleError(f"error feedback for dim {self.dim} got a gradient of dim {gradient.dim}")

    def state(self):
        """Arrays for a checkpoint: values, and keys unless the residual is dense; of the velocity too if there is momentum."""
        return _arrays("", self._kept) | (_arrays("velocity_", self._velocity) if self.momentum else {})

    def restore(self, state):
        """Continue from `state()`."""
        self._kept = Gradient(state["values"], self.dim, state.get("keys"))
        if self.momentum:
            self._velocity = Gradient(state["velocity_values"], self.dim, state.get("velocity_keys"))


def regrouped(states, dim, rank, size):
    """The `state()` of one of `size` ranks that go on with what len(states) ranks had: that of rank r goes to rank r mod size.

    What the ranks owe on average, and its velocity, stays what it was: a sum over P ranks counts 1/P, so it is scaled by size / P.
    """
    share, found = size / len(states), {}
    for prefix in ("", "velocity_"):
        parts = [Gradient(s[f"{prefix}values"], dim, s.get(f"{prefix}keys")) for s in states[rank::size] if f"{prefix}values" in s]
        total = Gradient(np.empty(0, np.float32), dim, np.empty(0, np.uint32))
        for part in parts:
            total = _sum(total, part, 1.0)
        if parts or f"{prefix}values" in states[0]:
            found |= _arrays(prefix, Gradient.trusted(total.values * np.float32(share), dim, total.keys))
    return found


def _arrays(prefix, gradient):
    return {f"{prefix}values": gradient.values} | ({} if gradient.is_dense else {f"{prefix}keys": gradient.keys})


def _at(gradient, keys):
    """float32: the values at `keys`, 0 where there is none; all of them for None."""
    return gradient.to_dense() if keys is None else _randomk.align(gradient.values, gradient.keys, keys, 1.0)


def _sum(a, b, scale):
    """a + scale · b with scale ±1; dense if either is."""
    if a.is_dense or b.is_dense:
        total = np.array(a.to_dense())
        if b.is_dense:
            _sparse.axpy(total, b.values, scale)
        else:
            _sparse.scatter_add(total, b.keys, b.values, scale)
        return Gradient.trusted(total, a.dim)
    keys, values = _sparse.add(a.keys, a.values, b.keys, b.values if scale == 1.0 else -b.values)
    return Gradient.trusted(values, a.dim, keys)

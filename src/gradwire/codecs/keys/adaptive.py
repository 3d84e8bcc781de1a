"""adaptive: per message the key coder whose payload is smallest, found from size estimates rather than by encoding with each.

The candidates share one GapStatistics, and one that is sure to lose may stop early (KeyCoder.estimate_below). In messages of 4,096 keys
and more, those whose estimates are slow (KeyCoder.sample_margin: partitioned, golomb and deflate) are first compared with the best so far
on 2,048 of the gaps, and left out if they look over 3% larger there: so the choice is the smallest but for one that such a sample
belies. `adaptive` only chooses among coders that stand for themselves; it does not cut a message into parts.

Payload: 1 byte n, the n ASCII characters of the chosen coder's specification, zeros up to a multiple of 8 bytes, that coder's payload.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ... import spec as _spec
from ...errors import ConfigError, CorruptMessage
from ...gradient import checked_keys
from ..base import KeyCoder
from .gaps import UNLIMITED, GapStatistics


@dataclass(frozen=True)
class Adaptive(KeyCoder):
    """The smallest of several key coders; the first of them at a tie.

    candidates: their specifications, joined by "+", such as "raw+bitflag(widths=optimal)". Empty: every key coder that is registered,
    in its default configuration. Sender and receiver must agree on them, as on every configuration.
    """

    candidates: str = ""

    name = "adaptive"
    summary = "per message the smallest of the other key coders"
    paper = ""

    def __post_init__(self):
        if not isinstance(self.candidates, str) or '"' in self.candidates:
            raise ConfigError(f'expected candidates joined by "+", without quotation marks, got {self.candidates!r}')
        if self.candidates:
            self._coders  # noqa: B018  an unknown candidate is refused now, not at the first message

    def encode(self, keys, dim):
        keys = checked_keys(keys, dim)
        _, head, coder, payload = self._smallest(keys, dim)
        payload = coder.encode(keys, dim) if payload is None else payload
        return np.concatenate([head, np.frombuffer(payload, np.uint8)])

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        for head, coder in self._coders:
            if payload[: len(head)].tobytes() == head.tobytes():
                return coder.decode(payload[len(head) :], nnz, dim)
        known = ", ".join(coder.spec for _, coder in self._coders)
        raise CorruptMessage(f"adaptive: expected the name of a key coder among {known}, got {payload[:32].tobytes()!r}")

    def estimate(self, keys, dim):
        return self._smallest(keys, dim)[0]

    def _smallest(self, keys, dim):
        """(estimated size in bytes, head, coder, its payload if it had to be encoded to know the size)."""
        if not len(keys):
            return min(((len(head) + coder.estimate(keys, dim), head, coder, None) for head, coder in self._coders), key=lambda c: c[0])
        statistics = GapStatistics(keys, dim)
        best, payload = None, None
        for i in self._order:
            head, coder = self._coders[i]
            if best is not None and not self._promises(coder, best[1], statistics.sample):
                continue
            limit = UNLIMITED if best is None else best[0] + 1 - len(head)
            size, encoded = _measure(coder, statistics, limit)
            if best is None or (len(head) + size, i) < best:
                best, payload = (len(head) + size, i), encoded
        return best[0], *self._coders[best[1]], payload

    def _promises(self, coder, best, sample):
        """Whether a slow coder may be smaller than the best so far, seeing how the two compare on a sample."""
        if coder.sample_margin is None or sample is None:
            return True
        return coder.estimate_below(sample, UNLIMITED) <= coder.sample_margin * self._coders[best][1].estimate_below(sample, UNLIMITED)

    @cached_property
    def _order(self):
        """Positions of the candidates, those with slow estimates last."""
        return sorted(range(len(self._coders)), key=lambda i: self._coders[i][1].sample_margin is not None)

    @cached_property
    def _coders(self):
        """(head of the payload, coder) of each candidate."""
        parts = _spec.split(self.candidates) if self.candidates else [(name, {}) for name in _spec.names("keys") if name != self.name]
        if any(name == self.name for name, _ in parts):
            raise ConfigError(f"expected other key coders as candidates, got {self.candidates!r}")
        coders = [_spec.build("keys", *part) for part in parts]
        return [(_head(coder.spec), coder) for coder in coders]


def _measure(coder, statistics, limit):
    """(size, payload): a coder without estimates of its own is encoded, once."""
    if type(coder).estimate is KeyCoder.estimate and type(coder).estimate_below is KeyCoder.estimate_below:
        payload = coder.encode(statistics.keys, statistics.dim)
        return len(payload), payload
    return coder.estimate_below(statistics, limit), None


def _head(spec):
    """uint8: the length of the specification, its characters, zeros up to a multiple of 8."""
    if not spec.isascii() or len(spec) > 255:
        raise ConfigError(f"expected a key coder whose specification is at most 255 ASCII characters, got {spec!r}")
    text = bytes([len(spec)]) + spec.encode()
    return np.frombuffer(text + bytes(-len(text) % 8), np.uint8)

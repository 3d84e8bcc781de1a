"""What `switch` sends: values as integers relative to a packet's common exponent, and how they are added. Plain NumPy."""

import numpy as np

from .._ext import rows as _rows

LEAST, MOST = -127, 127
"""Exponents that an int8 holds; LEAST for a packet of zeros."""


def exponents(values, packet):
    """int8 (packets,): the smallest e with all magnitudes of a packet ≤ 2^e, clamped to LEAST … MOST."""
    starts = np.arange(0, len(values), packet)
    fraction, power = np.frexp(np.maximum.reduceat(np.abs(values), starts))
    return np.clip(np.where(fraction == 0, LEAST, power - (fraction == 0.5)), LEAST, MOST).astype(np.int8)


class Int32Packets:
    """One rank's packets of `values`, float32 (n,), in a sum over `size` ranks.

    sent: what they decode to, filled as they are encoded. saturated: values beyond their packet's exponent, clamped.
    """

    width = 4

    def __init__(self, values, packet, size, step):
        self.values, self.packet, self.size, self.step = values, packet, size, step
        self.sent, self.saturated = np.zeros_like(values), 0
        self.limit = ((1 << 31) - 1) // size

    def at(self, k):
        """Where packet k lies."""
        return slice(k * self.packet, min((k + 1) * self.packet, len(self.values)))

    def encode(self, k, e):
        """uint8: packet k."""
        values, unit = self._clamped(k, e), self._unit(e)
        codes = np.clip(np.rint(values / unit), -self.limit, self.limit)
        self.sent[self.at(k)] = codes * unit
        return codes.astype("<i4").view(np.uint8)

    def add(self, total, payload):
        """total, int32, += what the payload says. The switch's part: integers only."""
        total += payload.view("<i4")

    def reply(self, total, k):
        """uint8: the sum as it goes back. The switch's part."""
        return total.astype("<i4").view(np.uint8)

    def mean(self, payload, k, e):
        """float32: the mean over ranks, from a reply."""
        return (payload.view("<i4") * (self._unit(e) / self.size)).astype(np.float32)

    def _unit(self, e):
        return self.size * 2.0 ** int(e) / ((1 << 31) - 1)

    def _clamped(self, k, e):
        """float64: the packet's values, at most 2^e in magnitude."""
        values, most = self.values[self.at(k)].astype(np.float64), 2.0 ** int(e)
        self.saturated += int(np.count_nonzero(np.abs(values) > most)) if e == MOST else 0
        return np.clip(values, -most, most)


class NaturalPackets(Int32Packets):
    """The same with natural compression: codes of a byte, 0 or sign << 7 | j + 1 for ±2^j units."""

    width = 1

    def encode(self, k, e):
        values = self._clamped(k, e) / self._unit(e)
        codes = _rounded(values, self._random(self.step.private("switch"), k))
        self.sent[self.at(k)] = _addends(codes) * self._unit(e)
        return codes

    def add(self, total, payload):
        total += _addends(payload)

    def reply(self, total, k):
        return _rounded(total.astype(np.float64), self._random(self.step.shared("switch"), k))

    def mean(self, payload, k, e):
        return (_addends(payload) * (self._unit(e) / self.size)).astype(np.float32)

    def _unit(self, e):
        return 2.0 ** (int(e) - 30 + (self.size - 1).bit_length())

    def _random(self, seed, k):
        """float64 in (0, 1), one for each value of packet k."""
        at = self.at(k)
        return (_rows.random32(seed, np.arange(at.start, at.stop)) + 0.5) * 2.0**-32


def _rounded(values, random):
    """uint8 codes: magnitudes from 1 on to a power of two, below 1 to 0 or 1, up or down at random so that the mean stays."""
    size = np.abs(values)
    fraction, power = np.frexp(size)
    up = np.where(size < 1, random < size, random < 2 * fraction - 1)  # size is between 2^(power − 1) and 2^power
    j = np.where(size < 1, 0, power - 1 + up)
    return np.where((size < 1) & ~up, 0, (values < 0) * 128 + j + 1).astype(np.uint8)


def _addends(codes):
    """int32: 0 or ±2^j."""
    j = (codes & 127).astype(np.int32)
    return np.where(j > 0, np.where(codes > 127, -1, 1) << np.maximum(j - 1, 0), 0).astype(np.int32)

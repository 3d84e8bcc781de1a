"""Step: where in the training we are, and the only source of randomness.

Equal Steps give equal bytes, on every machine. Kernels take a 64-bit seed and hash it with the element's position
(cython_ext/random.h), so no generator carries state from one call to the next.
"""

from dataclasses import dataclass, replace

_MASK = (1 << 64) - 1


def _mix(x):
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): 64 bits in, 64 well mixed bits out."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


@dataclass(frozen=True, slots=True)
class Step:
    """One synchronous step of one rank.

    index: the step's number, counted over the whole run. seed: the run's seed. rank: the sender of the message.
    """

    index: int = 0
    seed: int = 0
    rank: int = 0

    def part(self, number):
        """The Step of part `number` of a gradient that is coded in parts: no two share random numbers."""
        return replace(self, seed=self.shared(f"part {number}"))

    def private(self, stream=""):
        """A 64-bit seed that differs between ranks. `stream` names its use, so that two uses never share numbers."""
        return _mix(self.shared(stream) ^ _mix(int(self.rank) + 1))

    def shared(self, stream=""):
        """A 64-bit seed that is the same on every rank."""
        x = _mix(int(self.seed) & _MASK)
        x = _mix(x ^ (int(self.index) & _MASK))
        for char in stream.encode():
            x = _mix(x ^ char)
        return x

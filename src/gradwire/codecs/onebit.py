"""onebit: sign bits and the mean of either side of zero. Only with error feedback."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset


@dataclass(frozen=True)
class OneBit(Preset):
    """onebit(group_size) values; a sparse gradient's keys go through the key coder `keys`. Set error_feedback = true with it."""

    group_size: int = 0
    keys: str = "adaptive"

    name = "onebit"
    summary = "sign bits and the mean of either side; use with error feedback"
    paper = "1-Bit SGD: Seide et al., Interspeech 2014"

    def compose(self):
        return Composed(None, one("keys", self.keys), build("values", "onebit", {"group_size": self.group_size}), self.spec)

"""terngrad: unbiased ternary values, 1.6 bits each."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset


@dataclass(frozen=True)
class TernGrad(Preset):
    """terngrad(clip, group_size) values; a sparse gradient's keys go through the key coder `keys`. The paper clips at 2.5."""

    clip: float = 0.0
    group_size: int = 0
    keys: str = "adaptive"

    name = "terngrad"
    summary = "random rounding to -s, 0 or s, 1.6 bits per value"
    paper = "TernGrad: Wen et al., NIPS 2017 (arXiv 1705.07878)"

    def compose(self):
        values = build("values", "terngrad", {"clip": self.clip, "group_size": self.group_size})
        return Composed(None, one("keys", self.keys), values, self.spec)

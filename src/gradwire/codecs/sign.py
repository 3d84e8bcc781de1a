"""sign: sign bits and the mean magnitude."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset


@dataclass(frozen=True)
class Sign(Preset):
    """sign(group_size) values; a sparse gradient's keys go through the key coder `keys`. Biased: set error_feedback = true with it."""

    group_size: int = 0
    keys: str = "adaptive"

    name = "sign"
    summary = "sign bits and the mean magnitude; use with error feedback"
    paper = "signSGD: Bernstein et al., ICML 2018; scale: Karimireddy et al., ICML 2019"

    def compose(self):
        return Composed(None, one("keys", self.keys), build("values", "sign", {"group_size": self.group_size}), self.spec)

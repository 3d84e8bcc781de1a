"""sampled_topk: about the k entries of largest magnitude, by a threshold that a sample of the values gives.

Lin, Han, Mao, Wang, Dally, "Deep Gradient Compression", ICLR 2018 (arXiv 1712.01887): the threshold is the k-th largest magnitude as a
sample estimates it; when it selects far too many, those are sorted out exactly ("hierarchical selection"). It is biased; error
feedback is the remedy. The paper's momentum correction, gradient clipping and warm-up are options of a run (codec.momentum,
codec.clip_norm, codec.warmup_epochs); experiments/dgc.toml has all of them.
"""

from dataclasses import dataclass

from ..._ext import topk as _topk
from ...errors import ConfigError
from ...gradient import Gradient
from .amount import RatioOrK

MIN_SAMPLE = 256


@dataclass(frozen=True)
class SampledTopK(RatioOrK):
    """Keeps every |v| that reaches the sampled threshold, zeros never: the largest magnitudes, but not exactly k of them.

    ratio or k: as in topk; k ≤ entries is then the number to aim at. sample: the share of the entries that is looked at (at least
    256 of them, or all), one at a random place in each of as many equal stretches. Private randomness of the step.

    Guaranteed: when the threshold selects more than 2k entries or fewer than k/2, the result is topk's instead. So there are between
    k/2 and 2k entries (fewer only if fewer are not zero), and no entry left out is larger than one kept.
    """

    sample: float = 0.01

    name = "sampled_topk"
    summary = "about the k entries of largest magnitude, threshold from a sample"
    paper = "Lin et al., Deep Gradient Compression, ICLR 2018 (arXiv 1712.01887)"

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.sample, bool) or not isinstance(self.sample, int | float) or not 0 < self.sample <= 1:
            raise ConfigError(f"expected 0 < sample ≤ 1, got {self.sample!r}")

    def sparsify(self, gradient, step):
        looked_at = min(gradient.nnz, max(MIN_SAMPLE, int(self.sample * gradient.nnz)))
        k, seed = self.amount(gradient.fresh_nnz), step.private(self.name)
        keys, kept = _topk.sampled(gradient.values, gradient.keys, k, looked_at, seed)
        return Gradient.trusted(kept, gradient.dim, keys, gradient.fresh_nnz)

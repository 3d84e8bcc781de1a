"""Warm-up of sparsity: in the first epochs a sparsifier keeps more, down to its ratio exponentially.

    ratio in epoch e < W  =  ratio^((e + 1) / (W + 1));  0.001 with W = 4: 25%, 6.3%, 1.6%, 0.4%, then 0.1%

Lin et al., Deep Gradient Compression, ICLR 2018. A codec is its configuration, so each epoch of the warm-up has a codec of its own. The
learning rate's warm-up is the optimizer's (optimizers/base.py).
"""

from dataclasses import fields, is_dataclass, replace

from ..errors import ConfigError
from ..spec import lookup, names
from .composed import Composed


def at_epoch(codec, epoch, warmup_epochs):
    """The codec of epoch 0, 1, …: `codec` itself from epoch `warmup_epochs` on. ConfigError if its sparsifier has no ratio to warm up."""
    if not warmup_epochs:
        return codec
    parts = getattr(codec, "composed", codec)
    sparsifier = getattr(parts, "sparsifier", None)
    if not _has_ratio(type(sparsifier)) or getattr(sparsifier, "k", None) is not None:
        known = ", ".join(name for name in names("sparsifiers") if _has_ratio(lookup("sparsifiers", name)))
        raise ConfigError(f"expected a codec that begins with a sparsifier's ratio ({known}), got {codec.spec}")
    if epoch >= warmup_epochs:
        return codec
    return Composed(replace(sparsifier, ratio=sparsifier.ratio ** ((epoch + 1) / (warmup_epochs + 1))), parts.keys, parts.values)


def _has_ratio(cls):
    return is_dataclass(cls) and any(field.name == "ratio" for field in fields(cls))

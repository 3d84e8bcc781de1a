"""Block: a named part of a flat parameter vector, a tensor of a model; and how blocks are put together (codec.granularity).

A model says which blocks its parameters have, in order and without gaps. What is done with them is the business of codecs/blockwise.py
(a message's parts are coded apart) and of collectives/powersgd.py (matrices are approximated by thin ones).
"""

import math
from typing import NamedTuple

from .errors import ConfigError, unknown

GRANULARITIES = ("flat", "layer", "tensor")
"""One block for all parameters; one for each layer (a weight and its bias, say); one for each tensor."""


class Block(NamedTuple):
    """A tensor: parameters start … stop − 1. name: dotted, "blocks.0.attention.weight": what stands before the last dot is its layer."""

    name: str
    start: int
    shape: tuple[int, ...]

    @property
    def size(self):
        return math.prod(self.shape)

    @property
    def stop(self):
        return self.start + self.size

    @property
    def layer(self):
        return self.name.rpartition(".")[0]


def merged(blocks, granularity):
    """Blocks of this granularity, one of GRANULARITIES, from those of tensors; a merged one is flat. Only neighbours are put together."""
    if granularity not in GRANULARITIES:
        raise ConfigError(unknown("granularity", granularity, GRANULARITIES))
    if granularity == "tensor":
        return tuple(blocks)
    groups = []
    for block in blocks:
        name = block.layer if granularity == "layer" else ""
        if groups and groups[-1].name == name:
            last = groups.pop()
            groups.append(Block(name, last.start, (last.size + block.size,)))
        else:
            groups.append(Block(name, block.start, (block.size,)))
    return tuple(groups)

"""gradwire: what a gradient looks like on the wire, and what that is worth.

    g = gradwire.Gradient(values, dim, keys)
    codec = gradwire.codec("topk(ratio=0.01)+natural")
    m = codec.encode(g, gradwire.Step(0))
    codec.decode(m, gradwire.Step(0))
"""

from .codecs.base import Codec, KeyCoder, Reduction, Sketch, Sparsifier, ValueCoder
from .codecs.composed import Composed
from .errors import ConfigError, CorruptMessage, DataError, GradwireError, IncompatibleError
from .gradient import Gradient
from .message import Message
from .spec import codec, names, one
from .step import Step

__version__ = "0.1.0.dev0"


def keys(spec):
    """Key coder of a specification string such as "bitflag"."""
    return one("keys", spec)


def values(spec):
    """Value coder of a specification string such as "natural"."""
    return one("values", spec)


def sparsifier(spec):
    """Sparsifier of a specification string such as "topk(ratio=0.01)"."""
    return one("sparsifiers", spec)


def sketch(spec):
    """An empty quantile sketch of a specification string such as "kll(k=200)"."""
    return one("sketches", spec)


def list_codecs():
    """Names of all whole codecs, plug-ins included."""
    return names("codecs")


__all__ = [
    "Codec",
    "Composed",
    "ConfigError",
    "CorruptMessage",
    "DataError",
    "Gradient",
    "GradwireError",
    "IncompatibleError",
    "KeyCoder",
    "Message",
    "Reduction",
    "Sketch",
    "Sparsifier",
    "Step",
    "ValueCoder",
    "codec",
    "keys",
    "list_codecs",
    "names",
    "one",
    "sketch",
    "sparsifier",
    "values",
]

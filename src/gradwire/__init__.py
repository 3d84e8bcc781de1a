"""gradwire: what a gradient looks like on the wire, and what that is worth.

g = gradwire.Gradient(values, dim, keys)
codec = gradwire.codec("topk(ratio=0.01)+natural")
m = codec.encode(g, gradwire.Step(0))
codec.decode(m, gradwire.Step(0))
"""

from .codecs.base import Codec, KeyCoder, Reduction, Sketch, Sparsifier, ValueCoder
from .codecs.composed import Composed
from .codecs.feedback import ErrorFeedback
from .collectives.exchange import average
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


def load_run(path):
    """What `gradwire run` recorded in an HDF5 file, finished or not: a recorder.Run."""
    from .recorder import load_run

    return load_run(path)


def list_codecs():
    """Names of all whole codecs, plug-ins included."""
    return names("codecs")


__all__ = [
    "Codec",
    "Composed",
    "ConfigError",
    "CorruptMessage",
    "DataError",
    "ErrorFeedback",
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
    "average",
    "codec",
    "keys",
    "list_codecs",
    "load_run",
    "names",
    "one",
    "sketch",
    "sparsifier",
    "values",
]

"""Every error that gradwire raises on purpose. Each subclasses a builtin, so callers need not import this module.

A message says what was expected, what came, and what is known.
"""

import difflib


class GradwireError(Exception):
    """Base of all errors that gradwire raises on purpose."""


class ConfigError(GradwireError, ValueError):
    """A specification, an option or an experiment file is not valid."""


class CorruptMessage(GradwireError, ValueError):
    """Bytes that claim to be a message or a payload are not one."""


class IncompatibleError(GradwireError, ValueError):
    """Two valid choices do not work together; the message names choices that do."""


class DataError(GradwireError, ValueError):
    """A data set or a gradient holds something that it must not hold."""


class Diverged(DataError):
    """What is exchanged became NaN or infinite, or its sum did: with run.divergence = "record" that is a result."""


class Stopped(GradwireError):
    """A signal asked the run to stop, and it has kept all that it needs to go on."""


def unknown(kind, name, known):
    """Text for an unknown `name`: the nearest known names first, then all of them."""
    known = sorted(set(known))
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown {kind} {name!r}{hint}; known: {', '.join(known) or 'none'}"

"""The conformance suite: what everything registered must do. Plug-in authors run it on their own parts.

    from gradwire import testing
    testing.check(gradwire.codec("mine(level=3)"))        # raises AssertionError naming every check that fails
    testing.failures(part)                                # {name of the check: what went wrong}, empty if it conforms

and `gradwire check "mine(level=3)"` does so from the command line. It takes codecs, key coders, value coders, sparsifiers and empty
sketches, tells them apart by their base class, and needs no test framework. Each check is one function of the part in CHECKS, so a
test runner may run them one by one; its docstring is the rule, and it returns why there is nothing to check if that is so. A decoder
that never returns is not found here: tests/fuzz.py is for that.
"""

import traceback
from pathlib import Path

from ..codecs.base import Codec, KeyCoder, Sketch, Sparsifier, ValueCoder
from . import codecs, inputs, parts, sketches
from .inputs import STEP, gradients, key_sets, mutations

CHECKS = {
    Codec: codecs.CHECKS,
    KeyCoder: parts.KEYS,
    ValueCoder: parts.VALUES,
    Sparsifier: parts.SPARSIFIERS,
    Sketch: sketches.CHECKS,
}


def results(part):
    """(check, "pass", "FAIL" or "none", what went wrong or why there is nothing to check) of each check, as they are run."""
    for check_one in CHECKS[_kind(part)]:
        try:
            nothing = check_one(part)
        except AssertionError as error:
            yield check_one, "FAIL", str(error) or f"failed {_place(error)}"
        except Exception as error:  # a plug-in may raise anything; the report names it
            yield check_one, "FAIL", f"{_input(error)}{type(error).__name__}: {error} {_place(error)}"
        else:
            yield check_one, "none" if nothing else "pass", nothing or ""


def failures(part):
    """{check name: message} of the checks that `part` fails."""
    return {check_one.__name__: what for check_one, verdict, what in results(part) if verdict == "FAIL"}


def check(part):
    """Raise AssertionError with all failures of `part`; return it if there are none."""
    found = failures(part)
    if found:
        raise AssertionError(f"{part} does not conform:\n" + "\n".join(f"  {name}: {what}" for name, what in found.items()))
    return part


def _input(error):
    """ "gaussian, damaged payload of 17 bytes: ", as far as the check that called has variables of such names."""
    found = {}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if Path(frame.f_code.co_filename).parent == Path(__file__).parent:
            found |= {name: value for name, value in frame.f_locals.items() if name in ("name", "damaged", "nnz")}
    said = [str(found["name"])] if "name" in found else []
    if "damaged" in found:
        said.append(f"damaged, {len(found['damaged'])} bytes")
    if "nnz" in found:
        said.append(f"nnz {found['nnz']}")
    return ", ".join(said) + ": " * bool(said)


def _place(error):
    """Where it was raised: the innermost line outside this package, if there is one."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if Path(frame.filename).parent != Path(__file__).parent]
    frame = (outside or frames)[-1]
    return f"({Path(frame.filename).name}, line {frame.lineno})"


def _kind(part):
    for kind in CHECKS:
        if isinstance(part, kind):
            return kind
    raise TypeError(f"expected a codec, key coder, value coder, sparsifier or sketch, got {part!r}")


__all__ = ["CHECKS", "STEP", "check", "failures", "gradients", "inputs", "key_sets", "mutations", "results"]

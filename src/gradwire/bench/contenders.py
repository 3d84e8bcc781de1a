"""One Case for each thing that `gradwire bench codecs` measures: a key coder, a value coder, a sparsifier, a sketch or a codec on an input.

A case says how to encode copy i of its input, how to decode what came out, how large that is, and how far the result is from the input.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import spec
from ..gradient import Gradient
from ..step import Step
from .errors import errors, rank_error
from .inputs import Input

FRACTIONS = np.arange(1, 256) / 256


@dataclass(frozen=True)
class Case:
    """encode: copy → payload; decode: (copy, payload) → anything, None if there is none. describe: (copy, payload) → columns.
    quality: () → columns of errors. arrays: what memcpy copies, four bytes per element."""

    kind: str
    spec: str
    input: Input
    arrays: list
    encode: Callable
    decode: Callable | None
    describe: Callable
    quality: Callable
    peer: str = ""


def key_case(text, given):
    """A key coder alone."""
    coder, sets = spec.one("keys", text), [(g.keys, g.dim) for g in given.gradients]
    return Case(
        "keys", text, given, [keys for keys, _ in sets],
        lambda i: coder.encode(*sets[i]),
        lambda i, payload: coder.decode(payload, len(sets[i][0]), sets[i][1]),
        lambda i, payload: {"bits": 8 * len(payload) / max(len(sets[i][0]), 1)},
        dict,
    )  # fmt: skip


def value_case(text, given):
    """A value coder alone; a grouped one, which needs keys, gets the positions."""
    coder, arrays = spec.one("values", text), [g.values for g in given.gradients]
    first = given.gradients[0]

    def decoded(repeat):
        values = coder.decode(coder.encode(first.values, first.keys, _step(repeat)), first.keys, _step(repeat), first.nnz)
        return Gradient.trusted(values, first.dim, first.keys)

    return Case(
        "values", text, given, arrays,
        lambda i: coder.encode(arrays[i], given.gradients[i].keys, _step(i)),
        lambda i, payload: coder.decode(payload, given.gradients[i].keys, _step(i), len(arrays[i])),
        lambda i, payload: {"bits": 8 * len(payload) / max(len(arrays[i]), 1), "omega": _number(coder.omega(len(arrays[i])))},
        lambda: errors(first, decoded),
    )  # fmt: skip


def sparsifier_case(text, given):
    """A sparsifier alone: what it keeps, uncoded. "encode" is the selection."""
    sparsifier, gradients = spec.one("sparsifiers", text), given.gradients
    return Case(
        "sparsifiers", text, given, [g.values for g in gradients],
        lambda i: sparsifier.sparsify(gradients[i], _step(i)),
        None,
        lambda i, kept: {"kept": kept.nnz / max(gradients[i].nnz, 1), "omega": _number(sparsifier.omega(gradients[i].dim))},
        lambda: errors(gradients[0], lambda repeat: sparsifier.sparsify(gradients[0], _step(repeat))),
    )  # fmt: skip


def sketch_case(text, given):
    """A quantile sketch: "encode" is the update of a new one, "decode" the 255 quantiles that 256 buckets need."""
    arrays = [g.values for g in given.gradients]

    def quality():
        answers = spec.one("sketches", text).update(arrays[0]).quantiles(FRACTIONS)
        return {"rank_error": rank_error(arrays[0], FRACTIONS, answers)}

    return Case(
        "sketches", text, given, arrays,
        lambda i: spec.one("sketches", text).update(arrays[i]),
        lambda _, sketch: sketch.quantiles(FRACTIONS),
        lambda i, sketch: {"bits": 8 * len(bytes(sketch)) / max(len(arrays[i]), 1), "rank_error_claim": sketch.rank_error},
        quality,
    )  # fmt: skip


def codec_case(text, given):
    """A whole codec or a composition: gradient to Message to gradient."""
    codec, gradients = spec.codec(text), given.gradients

    def describe(i, message):
        nnz = max(gradients[i].nnz, 1)
        split = {f"{part}_bits": 8 * size / nnz for part, size in message.split_nbytes().items()}
        return split | {"bits": 8 * message.nbytes / nnz, "kept": message.nnz / nnz, "omega": _number(codec.omega(gradients[i].dim))}

    return Case(
        "codecs", text, given, [g.values for g in gradients],
        lambda i: codec.encode(gradients[i], _step(i)),
        lambda i, message: codec.decode(message, _step(i)),
        describe,
        lambda: errors(gradients[0], lambda repeat: codec.decode(codec.encode(gradients[0], _step(repeat)), _step(repeat))),
    )  # fmt: skip


MAKE = {"keys": key_case, "values": value_case, "sparsifiers": sparsifier_case, "sketches": sketch_case, "codecs": codec_case}


def _step(i):
    return Step(index=i, seed=1)


def _number(omega):
    return float("nan") if omega is None else float(omega)

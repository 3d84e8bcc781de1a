"""A job described by its numbers, measured here and now: synthetic sparse gradients are encoded, averaged and decoded by each codec.

Keys are drawn with Zipf's popularities and numbered by popularity, values are ± exp N(−9, 2.5²) (bench/inputs.py). Up to COPIES
gradients stand for the ranks, so the mean's keys are a true union; beyond COPIES it grows by Heaps' law. One core, medians.
It measures no training: a real gradient's keys and values may compress better or worse, and accuracy is unknown.
"""

from dataclasses import replace
from math import log

import numpy as np

from .. import spec as specs
from ..bench import errors, inputs
from ..bench.timing import measure
from ..codecs.none import densify
from ..collectives.base import mean_of
from ..errors import ConfigError, GradwireError
from ..step import Step
from .profile import Profile

COPIES = 8
CODECS = ("none", "fp16", "bf16", "adam-sparse", "zipml", "fastsgd", "sketchml", "natural")
"""What is compared where nobody names codecs."""


def profiles(dim, nnz, ranks, collective, compute_s=0.0, codecs=(), repeats=15):
    """([Profile], [vNMSE], notes): one of each codec that can send such a gradient through this collective; notes name the others.

    dim, nnz: of one rank's gradient. compute_s: gradient and update, seconds per step. ConfigError if no codec is left.
    """
    if not 1 <= nnz <= dim:
        raise ConfigError(f"expected 1 … {dim} nonzeros of dim {dim}, got {nnz}")
    given = inputs.synthetic("zipf", "lognormal", nnz, min(max(ranks, 2), COPIES), dim).gradients
    if (means := specs.one("collectives", collective)).in_place_of:
        raise ConfigError(f"{collective} does not send codecs' messages, and what it sends depends on the model; record runs with it")
    found, losses, notes = [], [], []
    for text in codecs or CODECS:
        codec = specs.codec(text)
        try:
            means.check(codec, None, ranks)
            dense = means.needs_dense and not codec.shares_keys
            gradients = [densify(each, getattr(codec, "force", False), collective) for each in given] if dense else given
            profile, vnmse = _measured(codec, gradients, ranks, collective, compute_s, repeats)
        except GradwireError as error:
            notes.append(f"Left out: {text}: {error}.")
            continue
        found.append(profile)
        losses.append(vnmse)
    if not found:
        raise ConfigError("no codec can be measured: " + " ".join(notes))
    return found, losses, notes


def _measured(codec, given, ranks, collective, compute_s, repeats):
    steps = [Step(index=0, seed=1, rank=rank) for rank in range(len(given))]
    messages = [codec.encode(gradient, step) for gradient, step in zip(given, steps)]
    dim, count = given[0].dim, len(given)
    mean = mean_of(codec, messages, steps[0], dim)
    driver = replace(steps[0], rank=ranks)
    reply = codec.encode(mean, driver)
    calls = {
        "encode": lambda i: codec.encode(given[i], steps[i]),
        "decode": lambda i: mean_of(codec, messages, steps[0], dim),
        "encode_mean": lambda i: codec.encode(mean, driver),
        "decode_mean": lambda i: codec.decode(reply, driver),
    }
    seconds = {name: float(np.median(times)) for name, times in measure(calls, count, repeats).items()}
    seconds["decode"] /= count
    up = float(np.mean([message.nbytes for message in messages]))
    most = max(1.0, dim / max(np.mean([message.nnz for message in messages]), 1.0))
    growth = min(max(log(reply.nbytes / up) / log(count), 0.0), 1.0)
    at_ranks = min(ranks**growth, most) / min(count**growth, most)
    for name in ("encode_mean", "decode_mean"):
        seconds[name] *= at_ranks
    profile = Profile(
        spec=codec.spec, collective=collective, ranks=ranks, steps=1, up=up, down=reply.nbytes * at_ranks, growth=growth, most=most,
        compute=compute_s, update=0.0, **seconds,
    )  # fmt: skip
    return profile, errors.errors(given[0], lambda repeat: _coded(codec, given[0], Step(index=repeat))).get("vnmse", 0.0)


def _coded(codec, gradient, step):
    return codec.decode(codec.encode(gradient, step), step)

"""Presets are the compositions that the table of whole codecs names: equal messages, equal claims."""

import numpy as np
import pytest

import gradwire as gw
from gradwire import testing

STEP = gw.Step(index=1, seed=7)

COMPOSITIONS = {
    "adam-sparse": "nonzero+raw+fp32",
    "zipml": "nonzero+raw+uniform(bits=16, rounding=nearest)",
    "fastsgd": "bitflag+logquant",
    "fastsgd(tau=32, rounding=up)": "bitflag+logquant(tau=32, rounding=up)",
    "partitioned-fastsgd": "partitioned+logquant",
    "partitioned-fastsgd(tau=32, width_bits=3)": "partitioned(width_bits=3)+logquant(tau=32)",
    "sketchml": "nonzero+byteflag+minmax",
    "sketchml(rows=3, exact_tail=0.1)": "nonzero+byteflag+minmax(rows=3, exact_tail=0.1)",
    "sketchml-quan": "nonzero+raw+quantile",
    "sketchml-quan(buckets=16, center=mean)": "nonzero+raw+quantile(buckets=16, center=mean)",
    "sketchml-key": "nonzero+byteflag+fp32",
    "skcompress": "nonzero+bitflag+minmax(coding=huffman)",
    "skcompress(signs=split)": "nonzero+bitflag+minmax(coding=huffman, signs=split)",
}


@pytest.mark.parametrize("preset", COMPOSITIONS)
def test_a_preset_is_its_composition(preset):
    codec, parts = gw.codec(preset), gw.codec(COMPOSITIONS[preset])
    assert codec.spec == preset
    for gradient in testing.gradients().values():
        message = codec.encode(gradient, STEP)
        assert bytes(message) == bytes(parts.encode(gradient, STEP))
        decoded, again = codec.decode(message, STEP), parts.decode(message, STEP)
        assert np.array_equal(decoded.values, again.values)
    assert codec.unbiased == parts.unbiased and codec.omega(100) == parts.omega(100)


def test_steps_of_the_ablation_lose_nothing_but_values():
    """sketchml-key is lossless, sketchml-quan keeps keys and signs, sketchml is smaller than either."""
    gradient = testing.gradients(nnz=4000, dim=400_000)["heavy tail"]
    messages = {name: gw.codec(name).encode(gradient, STEP) for name in ("sketchml-key", "sketchml-quan", "sketchml")}
    decoded = {name: gw.codec(name).decode(message, STEP) for name, message in messages.items()}
    assert np.array_equal(decoded["sketchml-key"].values, gradient.values)
    for name, found in decoded.items():
        assert np.array_equal(found.keys, gradient.keys)
        assert np.array_equal(np.sign(found.values), np.sign(gradient.values))
        assert messages["sketchml"].nbytes <= messages[name].nbytes

"""Everything registered runs the shared conformance suite, plain and with parameters."""

import numpy as np
import pytest

import gradwire as gw
from gradwire import testing
from gradwire.codecs.base import Codec, KeyCoder, Sketch, Sparsifier, ValueCoder

SPECS = {
    Codec: [
        *gw.list_codecs(),
        "zipml(bits=8)", "zipml(bits=8, rounding=stochastic)", "fastsgd(tau=32)", "fastsgd(scale=none)", "fastsgd(rounding=stochastic)",
        "fastsgd(coding=huffman)", "partitioned-fastsgd(tau=32, length_bits=4)",
        "sketchml(buckets=16, groups=4)", "sketchml(center=mean)", "sketchml-quan(buckets=16)", "skcompress(center=mean, exact_tail=0.01)",
        "natural(bits=8)", "natural(rounding=nearest)", "natural_dithering(norm=natural, coding=elias)",
        "qsgd(levels=1, p=inf, group_size=16, coding=huffman)", "terngrad(clip=2.5, group_size=100)", "onebit(group_size=50)",
        "sign(group_size=50)", "topk(ratio=0.1)", "topk(k=5)+bitflag+natural", "threshold(t=0.001)+byteflag+fp16",
        "sampled_topk(ratio=0.1)+bitflag+fp16", "randomk(ratio=0.25)+raw+natural", "randomk(k=20, shared=true)+fp32",
        "randomk(ratio=0.25, shared=true)+natural", "randomk(ratio=0.25, shared=true)+logquant",
        "randomk(ratio=0.5, shared=true)+byteflag+minmax", "nonzero+bitflag+quantile", "nonzero+quantile(center=mean)",
        "raw+fp32", "byteflag+minmax", "bitflag+bf16", "adaptive+natural", "partitioned+fp32", "bitmap+fp32", "rle+fp32", "deflate+fp32",
        "huffman+dithering(levels=7)", "huffman+terngrad", "quantile", "uniform", "logquant",
        "intsgd(bits=16)", "intsgd(bits=32, rounding=nearest)", "randomk(ratio=0.25, shared=true)+integer",
    ],
    KeyCoder: [
        *gw.names("keys"), "byteflag(lengths=124)", "bitflag(widths=optimal)", "bitflag(flag_bits=0)", "rice(block=32)",
        "partitioned(length_bits=4, width_bits=3)", "partitioned(length_bits=8)", "partitioned(length_bits=0, width_bits=1)", "deflate(level=1)",
    ],
    ValueCoder: [
        *gw.names("values"),
        "uniform(bits=8)", "uniform(bits=5, rounding=stochastic)", "uniform(coding=huffman)", "zipml_optimal(bits=3)",
        "zipml_optimal(bits=1, rounding=nearest)", "logquant(tau=31)", "logquant(rounding=up, scale=none)", "logquant(coding=huffman)",
        "natural(bits=8)", "quantile(center=mean, signs=split)", "quantile(buckets=1000, sketch=exact)", "quantile(sketch=gk)",
        "quantile(sketch=kll)", "quantile(exact_tail=0.1, center=mean)", "quantile(buckets=5, exact_tail=0.5)", "quantile(coding=huffman)",
        "quantile(exact_tail=0.02, coding=huffman, buckets=300)", "minmax(groups=2, rows=1)", "minmax(coding=huffman)",
        "minmax(exact_tail=0.1, signs=split)", "minmax(buckets=2000, groups=3)",
        "dithering(levels=7, group_size=33)", "dithering(levels=1, p=inf)", "dithering(p=1)", "dithering(levels=32767, p=inf)",
        "dithering(coding=elias)", "dithering(coding=huffman, group_size=200)", "dithering(levels=1000, coding=huffman)",
        "natural_dithering(levels=1, p=inf)", "natural_dithering(levels=64, group_size=1)", "natural_dithering(norm=natural, group_size=10)",
        "natural_dithering(coding=elias)", "natural_dithering(coding=huffman, p=1)",
        "integer(bits=16)", "integer(bits=32)", "integer(rounding=nearest)", "terngrad(clip=2.5)", "terngrad(group_size=33)", "onebit(group_size=7)", "sign(group_size=7)",
    ],
    Sparsifier: [
        *gw.names("sparsifiers"),
        "topk(ratio=0.5)", "topk(k=1)", "sampled_topk(k=9, sample=0.5)", "randomk(ratio=0.5)", "randomk(k=7, shared=true)",
        "randomk(k=30, scale=none)",
    ],
    Sketch: [*gw.names("sketches"), "kll(k=64)", "gk(epsilon=0.01)", "histogram(refine=0.01)"],
}  # fmt: skip
MAKE = {Codec: gw.codec, KeyCoder: gw.keys, ValueCoder: gw.values, Sparsifier: gw.sparsifier, Sketch: gw.sketch}


@pytest.mark.parametrize(
    ("kind", "spec", "check"),
    [
        pytest.param(kind, spec, check, id=f"{spec}-{check.__name__}")
        for kind, specs in SPECS.items()
        for spec in specs
        for check in testing.CHECKS[kind]
    ],
)
def test_conforms(kind, spec, check):
    check(MAKE[kind](spec))


class Broken(gw.Codec):
    """Loses the last value, knows nothing about NaN, and counts its encodings in the message."""

    name, summary, paper, unbiased = "broken", "", "", True
    count = 0

    @property
    def spec(self):
        return "broken"

    def encode(self, gradient, step):
        type(self).count += 1
        values = gradient.to_dense()[:-1].tobytes() + bytes([self.count % 256])
        return gw.Message.pack(dim=gradient.dim, nnz=0, spec_hash=0, sections={"values": values})

    def decode(self, message, step):
        values = message.section("values").tobytes()[:-1] + b"\0\0\0\0"
        return gw.Gradient(__import__("numpy").frombuffer(values, "f4"), message.dim)


def test_the_suite_finds_what_a_broken_codec_breaks(monkeypatch):
    small = {name: g for name, g in testing.gradients().items() if g.dim < 10**6}
    monkeypatch.setattr(testing.inputs, "gradients", lambda: small)
    found = testing.failures(Broken())
    assert found.keys() >= {
        "codec_is_deterministic",
        "codec_refuses_nonfinite",
        "codec_survives_damage",
        "codec_spec_round_trip",
        "codec_keeps_its_claims",
    }
    with pytest.raises(AssertionError, match="does not conform"):
        testing.check(Broken())


class Trusting(ValueCoder):
    """One float for all values, whatever it is."""

    name, summary, paper, spec = "trusting", "", "", "trusting"

    def encode(self, values, keys, step):
        return np.full(1, values[0] if len(values) else 0, "<f4").view(np.uint8)

    def decode(self, payload, keys, step, nnz=None):
        if len(payload) != 4:
            raise gw.CorruptMessage(f"expected 4 bytes, got {len(payload)}")
        return np.full(nnz if keys is None else len(keys), np.frombuffer(payload, "<f4")[0])


def test_the_suite_finds_a_decoder_that_lets_nan_through():
    assert "NaN" in testing.failures(Trusting())["values_survive_damage"]


def test_check_returns_what_conforms():
    part = gw.keys("raw")
    assert testing.check(part) is part


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match="expected a codec"):
        testing.check(3)

"""Golden messages: the bytes of every whole codec and part stay what they are (tests/golden/<spec>.msg).

A difference means that the format changed: from release 0.1 on that needs a new name or version. Before it, bump message.VERSION
or say so in CHANGELOG.md, and write the files again with GRADWIRE_WRITE_GOLDEN=1.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest

import gradwire as gw
from gradwire._ext import simd

FOLDER = Path(__file__).parents[1] / "golden"
STEP = gw.Step(index=5, seed=3, rank=2)
SPECS = [
    *gw.list_codecs(),
    "natural(bits=8)", "zipml(bits=8, rounding=stochastic)", "fastsgd(rounding=stochastic)", "sketchml(center=mean)",
    "topk(ratio=0.25)+byteflag+fp16", "threshold(t=0.01)+bitflag(widths=optimal)+bf16", "nonzero+adaptive+quantile", "byteflag+minmax(groups=4)",
    "fastsgd(tau=32, coding=huffman)", "zipml(coding=huffman)", "nonzero+raw+zipml_optimal(bits=3)", "nonzero+bitflag+uniform(bits=5)",
    "huffman+dithering(levels=7, p=inf, group_size=50)", "huffman+dithering(p=1, coding=elias)", "qsgd(coding=huffman)", "raw+dithering(levels=1000)",
    "natural_dithering(norm=natural, group_size=7)", "natural_dithering(coding=elias)", "natural_dithering(coding=huffman)",
    "terngrad(clip=2.5, group_size=50)", "onebit(group_size=50)", "sign(group_size=50)",
    "rice+fp32", "golomb+fp32", "elias_fano+fp32",
    "skcompress(center=mean)", "sketchml(exact_tail=0.05)", "bitflag+minmax(buckets=1024, groups=2, coding=huffman)",
    "partitioned+fp32", "partitioned(length_bits=4, width_bits=3)+fp32", "bitmap+fp32", "rle+fp32", "deflate+fp32",
    "raw+quantile(exact_tail=0.05, center=mean)", "raw+quantile(buckets=20, signs=split, coding=huffman)",
    "sampled_topk(ratio=0.25)+raw+fp16", "randomk(ratio=0.25)+raw+natural", "randomk(k=50, shared=true)+fp32",
    "randomk(k=70, shared=true)+raw+minmax", "intsgd(bits=32)", "raw+integer(bits=16)",
]  # fmt: skip


def gradient(dense):
    """Values and keys from integer arithmetic alone, so that no library's random numbers matter."""
    i = np.arange(120, dtype=np.int64)
    word = i * 2654435761 % 2**32
    values = np.ldexp(1.0 + (word >> 28) / 16.0, -(word >> 8 & 15).astype(int)) * np.where(word & 1, 1, -1)
    if dense:
        return gw.Gradient(values.astype(np.float32), len(values))
    keys = np.cumsum(1 + (word >> 16) % np.where(i % 10, 50, 500))
    return gw.Gradient(values.astype(np.float32), 2**13, keys)


def golden_path(spec, dense):
    return FOLDER / f"{re.sub('[^a-z0-9]+', '-', spec).strip('-')}-{'dense' if dense else 'sparse'}.msg"


@pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
@pytest.mark.parametrize("spec", SPECS)
def test_bytes_stay_what_they_are(spec, dense, simd_level):
    codec = gw.codec(spec)
    message = codec.encode(gradient(dense), STEP)
    path = golden_path(spec, dense)
    if os.environ.get("GRADWIRE_WRITE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        path.write_bytes(bytes(message))
    golden = path.read_bytes()
    assert bytes(message) == golden
    decoded, again = codec.decode(gw.Message.from_bytes(golden), STEP), codec.decode(message, STEP)
    assert np.array_equal(decoded.values, again.values)


@pytest.mark.parametrize("spec", SPECS)
def test_long_messages_are_equal_at_all_levels(spec):
    rng = np.random.default_rng(5)
    near = np.unique(rng.zipf(1.3, 20_000).clip(max=2**26 - 1))
    keys = np.unique(np.concatenate([near, rng.integers(0, 2**26, 9_000), np.arange(5000, 7000)])).astype(np.uint32)
    values = (rng.choice([-1, 1], len(keys)) * rng.lognormal(-9, 2.5, len(keys))).astype(np.float32)
    codec = gw.codec(spec)
    dense = gw.Gradient(values, len(values))
    inputs = [dense] if codec.encode(gradient(False), STEP).is_dense else [dense, gw.Gradient(values, 2**26, keys)]
    before, seen = simd.level(), []
    try:
        for level in simd.levels():
            simd.use(level)
            messages = [codec.encode(g, STEP) for g in inputs]
            decoded = [codec.decode(m, STEP) for m in messages]
            seen.append([(bytes(m), d.to_sparse().keys.tobytes(), d.values.tobytes()) for m, d in zip(messages, decoded)])
    finally:
        simd.use(before)
    assert all(found == seen[0] for found in seen)

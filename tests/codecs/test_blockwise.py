"""Blockwise: each block coded apart, in one message whose bytes are pinned, and which damaged bytes cannot make decode do harm."""

from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire import CorruptMessage, DataError, Gradient, IncompatibleError, Message, Step
from gradwire.blocks import Block, merged
from gradwire.codecs.blockwise import blockwise

SPECS = ["natural", "topk(ratio=0.1)+natural", "qsgd", "onebit", "sketchml", "fastsgd", "nonzero+quantile", "adam-sparse", "skcompress"]


def blocks_of(sizes):
    return tuple(Block(f"layer{i}.weight", start, (size,)) for i, (start, size) in enumerate(zip(accumulate([0, *sizes]), sizes)))


def random_gradient(dim, seed, share=1.0):
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=dim) * rng.exponential(size=dim) ** 3).astype(np.float32)
    if share == 1:
        return Gradient(values, dim)
    keys = np.flatnonzero(rng.random(dim) < share).astype(np.uint32)
    return Gradient(values[keys], dim, keys)


@settings(deadline=None)
@given(
    spec=st.sampled_from(SPECS),
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    below=st.sampled_from([0, 1, 50, 1000]),
    share=st.sampled_from([1.0, 0.3, 0.0]),
    seed=st.integers(0, 100),
)
def test_each_block_is_what_the_codec_alone_makes_of_it(spec, sizes, below, share, seed):
    gradient, step = random_gradient(sum(sizes), seed, share), Step(seed, 3, 1)
    inner = gw.codec(spec)
    codec = blockwise(inner, blocks_of(sizes), below)
    message = Message.from_bytes(bytes(codec.encode(gradient, step)))
    decoded, dense = codec.decode(message, step).to_dense(), gradient.to_dense()
    edges, number = [0, *accumulate(sizes)], 0
    last_small = False
    for first, last in pairwise(edges):
        small = last - first < below
        if small:
            assert np.array_equal(decoded[first:last], dense[first:last])
            number += not last_small
        else:
            part = Gradient(dense[first:last], last - first)
            if not gradient.is_dense:
                keys = gradient.keys[(gradient.keys >= first) & (gradient.keys < last)]
                part = Gradient(dense[keys], last - first, keys - np.uint32(first))
            alone = inner.decode(inner.encode(part, step.part(number)), step.part(number))
            assert np.array_equal(decoded[first:last].view(np.uint32) << 1, alone.to_dense().view(np.uint32) << 1)  # ±0 alike
            number += 1
        last_small = small
    assert sum(message.split_nbytes().values()) == message.nbytes == len(bytes(message))


def test_the_bytes_are_pinned():
    """Two natural blocks, a small one between them; format: the docstring of blockwise.py."""
    codec = blockwise(gw.codec("topk(k=1)+raw+natural"), blocks_of([3, 2, 4]), uncompressed_below=3)
    message = codec.encode(Gradient(np.float32([1, -2, 0.5, 7, 8, 0, 0, 0, -4]), 9), Step())
    assert message.sections == {
        "keys": bytes([1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]),
        # topk: flags keys + values, nnz 1, 4 bytes of keys, 2 of values; raw: flags dense + values, 8 bytes of values; topk again
        "tables": bytes([0b1010, 1, 4, 2, 0b1001, 8, 0b1010, 1, 4, 2, 0, 0, 0, 0, 0, 0]),
        "values": message.sections["values"],
    }
    assert message.sections["values"][8:16] == np.float32([7, 8]).tobytes() and message.nnz == 4 and not message.is_dense
    assert message.split_nbytes() == {"header": 64, "keys": 16, "values": 24, "tables": 16}
    assert codec.decode(message, Step()).to_dense().tolist() == [0, -2, 0, 7, 8, 0, 0, 0, -4]


def test_a_dense_message_is_dense():
    codec = blockwise(gw.codec("natural"), blocks_of([300, 5]), 0)
    message = codec.encode(random_gradient(305, 0), Step())
    assert message.is_dense and message.nnz == 305 and codec.decode(message, Step()).is_dense


@settings(max_examples=400, deadline=None)
@given(
    spec=st.sampled_from(SPECS),
    share=st.sampled_from([1.0, 0.2]),
    damage=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 255)), min_size=1, max_size=4),
)
def test_damaged_bytes_are_refused_or_harmless(spec, share, damage):
    """Sections are changed and the message packed again, so that its checksum is right."""
    codec = blockwise(gw.codec(spec), blocks_of([200, 7, 90, 1]), 8)
    whole = codec.encode(random_gradient(298, 1, share), Step())
    sections = {name: bytearray(content) for name, content in whole.sections.items()}
    for at, change in damage:
        section = sections[sorted(sections)[at % len(sections)]]
        if section:
            section[at // 3 % len(section)] ^= change
    message = Message.pack(dim=298, nnz=whole.nnz, spec_hash=whole.spec_hash, sections=sections, is_dense=whole.is_dense)
    try:
        decoded = codec.decode(message, Step())
    except CorruptMessage:
        return
    assert decoded.dim == 298


@pytest.mark.parametrize(
    "tables, error",
    [
        (b"", "expected a number at byte 0"),
        (b"\x80\x00" + bytes(6), "expected a number at byte 2"),  # a zero in two bytes
        (b"\xff\xff\xff\xff\xff\x01\x00\x00", "expected a number"),
        (b"\x11\x00" + bytes(6), "impossible block: flags 0x11"),
        (b"\x03\x08" + bytes(6), "impossible block: flags 0x3"),  # dense, with keys
        (b"\x0a\x05\x04\x04" + bytes(4), "impossible block: flags 0xa, 5 entries of 4"),
        (b"\x09\x05\x01" + bytes(5), "expected zeros behind"),
        (b"\x09\x7f" + bytes(6), "expected 127 bytes of values of the block at 0, got fewer"),
        (b"\x0a\x04\x01\x05" + bytes(4), "expected 1 bytes of keys of the block at 0, got fewer"),
        (b"\x09\x00" + bytes(6), "expected values of the blocks to end at byte"),
        (b"\x08\x03\x05" + bytes(5), "expected blocks of 4 entries in all, got \\[3\\]"),
    ],
)
def test_impossible_directories(tables, error):
    codec = blockwise(gw.codec("natural"), blocks_of([4]))
    whole = codec.encode(Gradient(np.float32([1, 2, 3, 4]), 4), Step())
    message = Message.pack(dim=4, nnz=4, spec_hash=whole.spec_hash, sections=whole.sections | {"tables": tables}, is_dense=True)
    with pytest.raises(CorruptMessage, match=error):
        codec.decode(message, Step())


def test_messages_of_other_blocks_are_refused():
    gradient = random_gradient(10, 0)
    message = blockwise(gw.codec("natural"), blocks_of([4, 6])).encode(gradient, Step())
    for other in (blockwise(gw.codec("natural"), blocks_of([6, 4])), blockwise(gw.codec("natural"), blocks_of([4, 6]), 5)):
        with pytest.raises(CorruptMessage, match="specification hash"):
            other.decode(message, Step())
    same = blockwise(gw.codec("natural"), blocks_of([4, 6]))
    wrong = Message.pack(dim=11, nnz=10, spec_hash=same.spec_hash, sections=message.sections)
    with pytest.raises(CorruptMessage, match="expected a message of dim 10, got 11"):
        same.decode(wrong, Step())


def test_what_it_claims():
    qsgd = gw.codec("qsgd(levels=7)")
    codec = blockwise(qsgd, blocks_of([1000, 10]), 0)
    assert codec.unbiased and codec.omega(1010) == qsgd.omega(1000) < qsgd.omega(1010)
    assert blockwise(gw.codec("topk(k=3)"), blocks_of([5])).omega(5) is None
    assert blockwise(gw.codec("onebit"), blocks_of([5])).needs_feedback and codec.spec == "qsgd(levels=7) in blocks"
    assert codec.count_overflow(random_gradient(1010, 0)) == 0
    half = blockwise(gw.codec("topk(k=2)+raw+fp16"), blocks_of([2, 2]))
    assert half.count_overflow(Gradient(np.float32([1, 1e6, 1e7, 2]), 4)) == 2


def test_dense_baselines_are_what_they_are():
    for spec in ("none", "fp16", "bf16"):
        assert blockwise(gw.codec(spec), blocks_of([4, 6])) is gw.codec(spec) or blockwise(gw.codec(spec), ()) == gw.codec(spec)


@pytest.mark.parametrize("spec", ["intsgd", "randomk(k=2, shared=true)+fp32"])
def test_what_adds_as_a_whole_is_refused(spec):
    with pytest.raises(IncompatibleError, match="code blocks apart"):
        blockwise(gw.codec(spec), blocks_of([4, 6]))


def test_bad_blocks_and_gradients():
    with pytest.raises(IncompatibleError, match="without gaps"):
        blockwise(gw.codec("natural"), (Block("a", 0, (3,)), Block("b", 4, (2,))))
    codec = blockwise(gw.codec("natural"), blocks_of([4, 6]))
    with pytest.raises(IncompatibleError, match="expected a gradient of dim 10, the blocks', got 9"):
        codec.encode(random_gradient(9, 0), Step())
    with pytest.raises(DataError, match="at key 7 on rank 2"):
        codec.encode(Gradient(np.float32([0] * 7 + [np.nan, 0, 0]), 10), Step(rank=2))


@pytest.mark.parametrize("collective", ["reduce_scatter", "allgather(slices=2)"])
def test_collectives_that_cut_gradients_refuse_it(collective):
    with pytest.raises(IncompatibleError, match="cuts gradients into parts, and natural in blocks codes whole ones"):
        gw.one("collectives", collective).check(blockwise(gw.codec("natural"), blocks_of([4, 6])))


def test_granularities():
    blocks = (Block("a.weight", 0, (2, 3)), Block("a.bias", 6, (2,)), Block("b.c.weight", 8, (4,)), Block("d", 12, (1,)))
    assert merged(blocks, "tensor") == blocks
    assert merged(blocks, "layer") == (Block("a", 0, (8,)), Block("b.c", 8, (4,)), Block("", 12, (1,)))
    assert merged(blocks, "flat") == (Block("", 0, (13,)),)
    with pytest.raises(gw.ConfigError, match="unknown granularity 'row'"):
        merged(blocks, "row")

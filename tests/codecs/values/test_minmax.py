"""minmax: never a larger index, never another sign, the published share of exact answers; bytes against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire import ConfigError, CorruptMessage
from gradwire._ext import minmax as _minmax
from gradwire.codecs import entropy
from gradwire.codecs.composed import Composed
from gradwire.codecs.values import buckets as _buckets

STEP = gw.Step(3, seed=5, rank=1)


def random_keys(n, seed=0, dim=1 << 32):
    keys = np.unique(np.random.default_rng(seed).integers(0, dim, int(1.1 * n) + 50, dtype=np.uint64))
    return np.sort(np.random.default_rng(seed).permutation(keys)[:n]).astype(np.uint32)


def gaussian(n, seed=0):
    return np.random.default_rng(seed).normal(size=n).astype(np.float32)


# NumPy reference of the hash functions, the sketch and the payload


def random32(seed, i):
    """random.h for 32-bit positions."""
    x = i.astype(np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed & 0xFFFFFFFF)
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x21F0AAAD) ^ np.uint32(seed >> 32)
    x = (x ^ x >> np.uint32(15)) * np.uint32(0x735A2D97)
    return x ^ x >> np.uint32(15)


def column(seed, row, keys, columns):
    key, factor = random32(seed, np.array([2 * row, 2 * row + 1]))
    y = (keys ^ keys >> np.uint32(16)) * np.uint32(0x21F0AAAD)
    hashed = (y ^ y >> np.uint32(15) ^ key) * (factor | np.uint32(1))
    return (hashed.astype(np.uint64) * np.uint64(columns) >> np.uint64(32)).astype(np.int64)


def sketch_of(seed, rows, columns, keys, index, largest):
    cells = np.full((rows, columns), largest, np.uint16)
    for row in range(rows):
        np.minimum.at(cells[row], column(seed, row, keys, columns), index)
    return cells


def query(seed, cells, keys):
    rows, columns = cells.shape
    return np.max([cells[row][column(seed, row, keys, columns)] for row in range(rows)], axis=0)


def pack(codes, bits):
    """Little-endian bit stream, up to a whole byte."""
    stream = (np.asarray(codes, np.uint16).reshape(-1, 1) >> np.arange(bits, dtype=np.uint16) & 1).astype(np.uint8)
    return np.packbits(stream.reshape(-1), bitorder="little").tobytes()


def bucketed(coder, values, step):
    """(bucket of each value, buckets' values, buckets below zero, which values stay exact), from the splits on."""
    exact = np.zeros(len(values), bool)
    largest = np.argsort(-np.abs(values), kind="stable")[: int(coder.exact_tail * len(values)) + 1]
    if len(largest) > 1:
        exact = np.abs(values) > np.abs(values[largest[-1]])
    rest = values[~exact]
    cut = _buckets.cut(rest, coder, step.private("quantile"), coder.buckets - (coder.exact_tail > 0), coder.groups)
    codes = np.searchsorted(cut.splits, values, side="right")
    edges = np.concatenate([[cut.low], cut.splits, [cut.high]]).astype(np.float64)
    centers = (edges[1:] + edges[:-1]) / 2
    if coder.center == "mean":
        for bucket in np.unique(codes[~exact]):
            centers[bucket] = values[~exact & (codes == bucket)].mean(dtype=np.float64)
    return codes, centers.astype(np.float32), cut.negative, exact


def reference(coder, values, keys, step):
    """(group, payload, decoded values) of encode_grouped, from the splits on."""
    codes, centers, negative, exact = bucketed(coder, values, step)
    width, seed = -(-(coder.buckets - (coder.exact_tail > 0)) // coder.groups), step.private("minmax") & 0xFFFFFFFF
    sign = codes < negative
    outward = np.where(sign, negative - 1 - codes.astype(int), codes.astype(int) - negative)
    negative_groups = -(-negative // width)
    group = np.where(sign, outward // width, negative_groups + outward // width)
    head = np.array([seed, negative, len(centers) - negative, exact.sum()], "<u4").tobytes()
    table = np.concatenate([centers[:negative][::-1], centers[negative:]])
    payload = head + table.tobytes() + bytes(-4 * len(table) % 8) + values[exact].tobytes()
    decoded, all_cells = np.where(exact, values, np.float32(0)), []
    starts = [*range(0, negative, width), *range(negative, len(centers), width)]
    stops = [min(start + width, negative if start < negative else len(centers)) for start in starts]
    group[exact] = len(starts)
    for i, (start, stop) in enumerate(zip(starts, stops)):
        members = group == i
        columns = int(np.ceil(coder.col_ratio * members.sum()))
        cells = sketch_of(seed, coder.rows, columns, keys[members], (outward % width)[members], stop - start - 1)
        bits = (stop - start - 1).bit_length()
        if bits and coder.coding == "fixed":
            payload += pack(cells.reshape(-1), bits)
        all_cells += [cells.reshape(-1)] * bool(bits)
        decoded[members] = table[start + query(seed, cells, keys[members])] if members.any() else 0
    if coder.coding == "huffman":
        widest = max(stop - start for start, stop in zip(starts, stops))
        payload += bytes(entropy.encode(np.concatenate([np.empty(0, np.uint16), *all_cells]), widest))
    return group, payload, decoded


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "coding=huffman",
        "center=mean, signs=split",
        "center=mean, exact_tail=0.01, coding=huffman",
        "exact_tail=0.5, buckets=5, groups=2",
        "rows=1, col_ratio=1.7",
        "rows=3, buckets=9, groups=4",
        "rows=4, col_ratio=0.01, buckets=100, groups=7",
        "buckets=4, groups=2, coding=huffman",
        "buckets=512, groups=254",
        'buckets=65536, groups=2, sketch="exact", col_ratio=1',
    ],
)
@pytest.mark.parametrize("kind", ["both", "few negative", "positive", "negative", "zeros", "ties", "two", "one"])
def test_payload_equals_the_reference(arguments, kind, simd_level):
    values = {
        "both": gaussian(3001),
        "few negative": gaussian(3000) + np.float32(2),
        "positive": np.abs(gaussian(400)),
        "negative": -np.abs(gaussian(400)),
        "zeros": gaussian(2000) * (np.arange(2000) % 3 == 0),
        "ties": np.sign(gaussian(500)),
        "two": gaussian(2, 3),
        "one": gaussian(1),
    }[kind]
    keys = random_keys(len(values))
    coder = gw.values(f"minmax({arguments})") if arguments else gw.values("minmax")
    found = coder.encode_grouped(values, keys, STEP)
    group, expected, decoded = reference(coder, values, keys, STEP)
    order = np.argsort(group, kind="stable")
    assert found.keys.dtype == np.uint32 and np.array_equal(found.keys, keys[order])
    assert found.sizes.tolist() == np.bincount(group, minlength=len(found.sizes)).tolist() and len(found.sizes) <= coder.max_groups
    assert bytes(found.payload) == expected
    assert np.array_equal(coder.decode_grouped(found.payload, found.keys, np.trim_zeros(found.sizes, "b"), STEP), decoded[order])
    assert coder.tables_nbytes(found.payload, len(values)) % 8 == 0
    assert np.array_equal(coder.decode(coder.encode(values, keys, STEP), keys, STEP), decoded)


def sketched(keys, index, columns, rows, seed, cell=np.uint8):
    """The kernels on one group: (cells, answers)."""
    n, widest = len(keys), int(index.max(initial=0)) + 1
    cells, sizes, columns = np.full(rows * columns, widest - 1, cell), np.array([n]), np.array([columns])
    _minmax.insert(keys, index.astype(cell), sizes, columns, seed, rows, cells)
    out = np.empty(n, np.float32)
    _minmax.query(keys, sizes, columns, seed, rows, cells, np.arange(widest, dtype=np.float32), np.array([widest]), out)
    return cells, out


@pytest.mark.parametrize("cell", [np.uint8, np.uint16])
def test_kernels_equal_the_reference_at_every_length(cell, simd_level):
    for n in [*range(1, 40), 255, 256, 257, 300, 511, 513, 1000]:
        keys, rows = random_keys(n, n), 1 + n % 4
        index = np.random.default_rng(n).integers(0, 256 if n % 2 else 7, n).astype(cell)
        columns = 1 + n // 3
        cells, out = sketched(keys, index, columns, rows, n, cell)
        expected = sketch_of(n, rows, columns, keys, index, int(index.max()))
        assert np.array_equal(cells.reshape(rows, columns), expected)
        assert np.array_equal(out, query(n, expected, keys))


@pytest.mark.parametrize(("cell", "most"), [(np.uint8, 8), (np.uint16, 16)])
def test_packed_cells_equal_the_reference(cell, most, simd_level):
    rng = np.random.default_rng(0)
    for bits in range(1, most + 1):
        for n in [*range(70), 257]:
            cells = rng.integers(0, 1 << bits, n).astype(cell)
            counts, widths = np.array([0, n // 3, n - n // 3]), np.array([bits, bits, bits])
            expected = pack(cells[: n // 3], bits) + pack(cells[n // 3 :], bits)
            out, again = np.empty(len(expected), np.uint8), np.empty(n, cell)
            _minmax.pack(cells, counts, widths, out)
            assert bytes(out) == expected
            _minmax.unpack(out, counts, widths, again)
            assert np.array_equal(again, cells)


def test_kernels_refuse_what_would_not_fit():
    keys, one, cells = random_keys(2), np.array([2]), np.zeros(6, np.uint8)
    values, widths, out = np.zeros(4, np.float32), np.array([4]), np.empty(2, np.float32)
    for wrong in ({"keys": keys[:1]}, {"cells": cells[:5]}, {"rows": 17}, {"columns": np.array([2**32])}, {"columns": np.array([3, 3])}):
        given = {"keys": keys, "sizes": one, "columns": np.array([3]), "seed": 1, "rows": 2, "cells": cells} | wrong
        with pytest.raises(ValueError, match="expected"):
            _minmax.query(**given, values=values, widths=widths, out=out)
        with pytest.raises(ValueError, match="expected"):
            _minmax.insert(**given, indexes=np.zeros(2, np.uint8))
    given = {"keys": keys, "sizes": one, "columns": np.array([3]), "seed": 1, "rows": 2, "cells": cells}
    with pytest.raises(ValueError, match="2 indexes"):
        _minmax.insert(**given, indexes=np.zeros(1, np.uint8))
    for wrong in ({"out": out[:1]}, {"widths": np.array([5])}, {"widths": np.array([2, 2])}):
        with pytest.raises(ValueError, match="room for 2"):
            _minmax.query(**given, **({"values": values, "widths": widths, "out": out} | wrong))
    with pytest.raises(ValueError, match="packed bytes"):
        _minmax.pack(cells, np.array([6]), np.array([5]), np.empty(3, np.uint8))
    with pytest.raises(ValueError, match="cells"):
        _minmax.unpack(np.empty(4, np.uint8), np.array([5]), np.array([5]), cells)
    with pytest.raises(ValueError, match="cells"):
        _minmax.all_below(cells, np.array([5]), np.array([5]))


# Guarantees


@settings(max_examples=120, deadline=None)
@given(
    values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=100),
    q=st.sampled_from([5, 9, 32, 256]),
    groups=st.sampled_from([2, 3, 4]),
    rows=st.integers(1, 3),
    col_ratio=st.sampled_from([0.01, 0.3, 2.0]),
    center=st.sampled_from(["midpoint", "mean"]),
    signs=st.sampled_from(["joint", "split"]),
    sketch=st.sampled_from(["kll(k=8)", "exact", "histogram"]),
    tail=st.sampled_from([0, 0, 0.1, 0.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_never_a_larger_index_nor_another_sign(values, q, groups, rows, col_ratio, center, signs, sketch, tail, seed):
    groups, values, step = min(groups, (q - (tail > 0)) // 2), np.array(values, np.float32), gw.Step(seed=seed)
    keys = random_keys(len(values), seed)
    arguments = f'buckets={q}, groups={groups}, rows={rows}, col_ratio={col_ratio}, center={center}, signs={signs}, sketch="{sketch}"'
    coder = gw.values(f"minmax({arguments}, exact_tail={tail})")
    decoded = coder.decode(coder.encode(values, keys, step), keys, step)
    codes, centers, _, exact = bucketed(coder, values, step)
    codes, inside = np.minimum(codes, len(centers) - 1), ~exact
    assert len(centers) + (tail > 0) <= q
    assert np.array_equal(decoded[exact], values[exact])
    assert (decoded * np.sign(values) >= 0).all()
    assert not decoded[values == 0].any()
    assert (np.abs(decoded) <= np.abs(centers[codes]))[inside].all()  # centers grow outwards, so: no larger index
    # Off by less than q / groups: the answer is one of the true bucket or the w − 1 before it, towards zero.
    inwards = np.arange(-(-(q - (tail > 0)) // groups))[:, None] * np.where(values < 0, -1, 1)
    assert (centers[np.clip(codes - inwards, 0, len(centers) - 1)] == decoded).any(axis=0)[inside].all()


def expected_share(ratio, rows, ties=None):
    """Probability that a query is exact; `ties`: with so many equally likely indexes instead of all different ones."""
    if ties is None:
        x = (np.arange(20_000) + 0.5) / 20_000
        return (1 - (1 - np.exp(-x / ratio)) ** rows).mean()
    return (1 - (1 - np.exp(-np.arange(ties) / (ties * ratio))) ** rows).mean()


def test_formulas_give_the_published_numbers():
    assert [round(expected_share(r, 2), 3) for r in (0.2, 0.3, 0.5)] == [0.297, 0.429, 0.619]
    assert [round(expected_share(r, 2, 32), 3) for r in (0.2, 0.3, 0.5)] == [0.313, 0.443, 0.631]


@pytest.mark.parametrize("ties", [None, 32])
@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("ratio", [0.2, 0.3, 0.5])
@pytest.mark.parametrize("layout", ["random", "consecutive"])
def test_share_of_exact_answers(ratio, rows, ties, layout):
    """30 000 pairs in one sketch; the standard error of the share is about 0.3%. Consecutive keys are the hardest for a hash."""
    n = 30_000
    index = np.random.default_rng(1).permutation(n).astype(np.uint16) if ties is None else np.arange(n, dtype=np.uint16) % ties
    keys = random_keys(n) if layout == "random" else np.arange(n, dtype=np.uint32)
    if ties:
        index = np.random.default_rng(2).permutation(index)
    _, out = sketched(keys, index, int(np.ceil(ratio * n)), rows, 7, np.uint16)
    assert (out <= index).all()
    assert (out == index).mean() == pytest.approx(expected_share(ratio, rows, ties), abs=0.012)


def test_rows_are_independent():
    """Of pairs of keys that share a column in one row, as many share one in another row as chance has it: 1/t."""
    keys, columns, together, both = random_keys(20_000), 500, 0, 0
    for seed in range(6):
        first, second = column(seed, 0, keys, columns), column(seed, 1, keys, columns)
        pairs = np.bincount(first * columns + second)
        together += (np.bincount(first).astype(float) ** 2).sum() - len(keys)
        both += (pairs.astype(float) ** 2).sum() - len(keys)
    assert both / together * columns == pytest.approx(1, abs=0.02)


def test_share_of_exact_answers_of_the_whole_coder():
    """256 buckets in 8 groups of 32 tied indexes, 0.3 columns per pair: 44.3%."""
    values, keys = gaussian(100_000), random_keys(100_000)
    coder = gw.values('minmax(sketch="exact")')
    codes, centers, _, _ = bucketed(coder, values, STEP)
    decoded = coder.decode(coder.encode(values, keys, STEP), keys, STEP)
    assert (decoded == centers[codes]).mean() == pytest.approx(expected_share(0.3, 2, 32), abs=0.02)


def test_size_is_what_the_options_say():
    """2 rows × 0.3 columns × 5 bits = 3 bits per pair, beside the table."""
    values, keys = gaussian(50_000), random_keys(50_000)
    coder = gw.values("minmax")
    payload = coder.encode_grouped(values, keys, STEP).payload
    at = coder.tables_nbytes(payload, len(values))
    assert at == 16 + 4 * 256
    assert len(payload) - at == pytest.approx(3 / 8 * 50_000, abs=32)
    assert len(coder.encode(values, keys, STEP)) == len(payload) + 3 * 50_000 // 8  # alone: 3 bits of group number more


# Alone, composed, empty, options


def test_dense_values_use_positions_as_keys():
    values, coder = gaussian(3000), gw.values("minmax")
    payload = coder.encode(values, None, STEP)
    positions = np.arange(3000, dtype=np.uint32)
    assert bytes(payload) == bytes(coder.encode(values, positions, STEP))
    assert np.array_equal(coder.decode(payload, None, STEP, 3000), coder.decode(payload, positions, STEP))


def test_empty():
    coder, none = gw.values("minmax"), np.empty(0, np.float32)
    payload = coder.encode(none, np.empty(0, np.uint32), STEP)
    assert len(payload) == 0 and coder.tables_nbytes(payload, 0) == 0
    assert coder.decode(payload, None, STEP, 0).shape == (0,)
    assert len(coder.encode_grouped(none, np.empty(0, np.uint32), STEP).payload) == 0
    assert coder.decode_grouped(payload, np.empty(0, np.uint32), np.empty(0, np.int64), STEP).shape == (0,)


@pytest.mark.parametrize("sparse", [True, False])
def test_composed(sparse):
    """A composition codes keys per group and decodes to what the coder alone does; a dense gradient works too."""
    values, keys, coder = gaussian(2000), random_keys(2000, dim=1 << 20), gw.values("minmax")
    codec = Composed(gw.sparsifier("nonzero") if sparse else None, gw.keys("raw"), coder)
    gradient = gw.Gradient(values, 1 << 20, keys) if sparse else gw.Gradient(values, 2000)
    decoded = codec.decode(gw.Message.from_bytes(bytes(codec.encode(gradient, STEP))), STEP)
    used = keys if sparse else None
    assert np.array_equal(decoded.values, coder.decode(coder.encode(values, used, STEP), used, STEP, 2000))
    assert decoded.is_dense or np.array_equal(decoded.keys, keys)
    empty = gw.Gradient(np.empty(0, np.float32), 10, np.empty(0, np.uint32))
    assert codec.decode(codec.encode(empty, STEP), STEP).nnz == 0


def test_hash_seed_differs_between_steps_and_ranks():
    values, keys, coder = gaussian(100), random_keys(100), gw.values("minmax")
    seeds = {int(coder.encode(values, keys, gw.Step(i, rank=r))[:4].view("<u4")[0]) for i in range(3) for r in range(3)}
    assert len(seeds) == 9
    assert bytes(coder.encode(values, keys, STEP)) == bytes(coder.encode(values, keys, gw.Step(3, seed=5, rank=1)))


@pytest.mark.parametrize(
    "arguments",
    [
        "rows=0",
        "rows=17",
        "rows=1.5",
        "col_ratio=0",
        "col_ratio=17",
        "col_ratio=x",
        "groups=1",
        "groups=255",
        "buckets=8",
        "coding=none",
        "exact_tail=0.6",
    ],
)
def test_refuses_bad_options(arguments):
    more = ", groups=5" if arguments == "buckets=8" else ""
    with pytest.raises(ConfigError, match="expected|known"):
        gw.values(f"minmax({arguments}{more})")


# Hostile payloads


def decodes_or_refuses(coder, payload, keys):
    try:
        values = coder.decode(payload, keys, STEP)
    except CorruptMessage:
        return False
    assert values.shape == keys.shape and np.isfinite(values).all()
    return True


@pytest.mark.parametrize("arguments", ["buckets=256", "buckets=9, groups=3", "buckets=4, groups=2, rows=1", "coding=huffman"])
def test_hostile_payloads(arguments):
    coder, keys, rng = gw.values(f"minmax({arguments})"), random_keys(150), np.random.default_rng(0)
    good = bytes(coder.encode(gaussian(150), keys, STEP))
    assert decodes_or_refuses(coder, good, keys)
    assert not any(decodes_or_refuses(coder, good[:n], keys) for n in range(len(good)))
    assert not decodes_or_refuses(coder, good + b"\0", keys)
    assert not decodes_or_refuses(coder, good, keys[:0])
    for i in range(8 * min(len(good), 300)):
        flipped = bytearray(good)
        flipped[i // 8] ^= 1 << i % 8
        decodes_or_refuses(coder, bytes(flipped), keys)
    for n in range(100):
        decodes_or_refuses(coder, rng.bytes(n), keys[:4])
    with pytest.raises(CorruptMessage):
        coder.decode(good, None, STEP, 2**32)


def test_hostile_details():
    """Each check has its own bytes: 9 buckets in 3 groups of 3, of them 3 below zero and 2 + 0 above."""
    coder = gw.values("minmax(buckets=9, groups=3, rows=1, col_ratio=1)")
    keys, sizes = random_keys(3), np.array([2, 1])

    def payload(negative=3, positive=2, exact=0, centers=(-1, -2, -3, 1, 2), cells=bytes([0, 0])):
        head = np.array([7, negative, positive, exact], "<u4").tobytes() + np.array(centers, "<f4").tobytes()
        return head + bytes(-len(head) % 8) + cells

    assert coder.decode_grouped(payload(), keys, sizes, STEP).tolist() == [-1, -1, 1]
    cases = {
        "cells below": payload(cells=bytes([0b1111, 0])),
        "wrong side": payload(centers=(-1, -2, 3, 1, 2)),
        "finite": payload(centers=(-1, -2, np.nan, 1, 2)),
        "header": payload(exact=1),
        "bytes of cells": payload(cells=bytes(3)),
        "bucket values": payload()[:20],
        "at most 9": payload(negative=8, positive=2),
    }
    for match, bad in cases.items():
        with pytest.raises(CorruptMessage, match=match):
            coder.decode_grouped(bad, keys, sizes, STEP)
    with pytest.raises(CorruptMessage, match="header"):  # 4 + 4 buckets would be 4 groups
        coder.decode_grouped(payload(negative=4, positive=4), keys, sizes, STEP)
    with pytest.raises(CorruptMessage, match="2 groups"):
        coder.decode_grouped(payload(), keys, np.array([1, 1, 1]), STEP)
    tail = gw.values("minmax(buckets=10, groups=3, rows=1, col_ratio=1, exact_tail=0.4)")
    good = payload(exact=1, cells=np.array([9], "<f4").tobytes() + bytes([0, 0]))
    assert tail.decode_grouped(good, keys, np.array([1, 1, 1]), STEP).tolist() == [-1, 1, 9]
    for bad, of in ((good, [1, 2]), (good, [0, 1, 2]), (payload(exact=2**32 - 1), [1, 1, 1]), (good, [1, 1, 0, 1])):
        with pytest.raises(CorruptMessage, match="of exact values"):
            tail.decode_grouped(bad, keys, np.array(of), STEP)
    for bad, match in ((good[:42], "bucket values"), (payload(exact=1, cells=np.array([np.inf], "<f4").tobytes()), "finite")):
        with pytest.raises(CorruptMessage, match=match):
            tail.decode_grouped(bad, keys, np.array([1, 1, 1]), STEP)
    with pytest.raises(CorruptMessage, match="group numbers below 3"):
        coder.decode(payload()[:40] + bytes([0b111111]) + payload()[40:], keys, STEP)

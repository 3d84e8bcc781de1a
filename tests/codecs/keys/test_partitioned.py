"""partitioned: the cut is the optimum of the direct recurrence, the bytes are the format's, the levels agree, hostile bytes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire
from gradwire._ext import partitioned as _partitioned
from gradwire.codecs.keys.gaps import GapStatistics
from gradwire.codecs.keys.partitioned import Partitioned, _rounded

SPECS = [
    "partitioned",
    "partitioned(length_bits=4, width_bits=3)",
    "partitioned(length_bits=8)",
    "partitioned(length_bits=0, width_bits=1)",
    "partitioned(length_bits=1, width_bits=2)",
]
FIXTURES = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
TOP = 1 << 32


def gap_list(keys):
    wide = keys.astype(np.int64)
    return [int(gap) for gap in np.diff(wide, prepend=-1) - 1]


def direct(widths, lb, f):
    """g(0 … n) of the recurrence, as it is printed."""
    g = [0]
    for i in range(1, len(widths) + 1):
        widest, best = 0, None
        for j in range(1, min(i, 1 << lb) + 1):
            widest = max(widest, widths[i - j])
            cost = g[i - j] + lb + f + j * widest
            best = cost if best is None else min(best, cost)
        g.append(best)
    return g


def shortest_last(widths, g, lb, f):
    """(length, width) of each partition of an optimum, from the last one on the shortest that fits."""
    parts, i = [], len(widths)
    while i:
        j = next(j for j in range(1, i + 1) if g[i - j] + lb + f + j * max(widths[i - j : i]) == g[i])
        parts.append((j, max(widths[i - j : i])))
        i -= j
    return parts[::-1]


def reference(keys, coder, chosen):
    """The format of partitioned.h in Python."""
    lb, f, gaps = coder.length_bits, coder.width_bits, gap_list(keys)
    widths = [min(c for c in chosen if c >= gap.bit_length()) for gap in gaps]
    parts = shortest_last(widths, direct(widths, lb, f), lb, f)
    stream, at, i = 0, 0, 0
    for length, width in parts:
        stream |= (length - 1 | chosen.index(width) << lb) << at
        at += lb + f
    for length, width in parts:
        for gap in gaps[i : i + length]:
            stream |= gap << at
            at += width
        i += length
    head = (len(parts) - 1).to_bytes(4, "little")
    if f < 5:
        head += sum(1 << b for b in chosen).to_bytes(5, "little")
    return head + stream.to_bytes((at + 7) // 8, "little")


def usable(coder, payload):
    """The widths that a payload may use, from its header."""
    if coder.width_bits == 5:
        return [*range(31), 32]
    table = int.from_bytes(payload[4:9], "little")
    return [b for b in range(33) if table >> b & 1]


@pytest.mark.parametrize("spec", SPECS)
@given(data=st.data())
@FIXTURES
def test_equals_the_reference_and_roundtrips(spec, key_sets, simd_level, data):
    keys, dim = data.draw(key_sets)
    coder = gradwire.keys(spec)
    payload = bytes(coder.encode(keys, dim))
    chosen = usable(coder, payload)
    assert len(chosen) <= 1 << coder.width_bits
    assert payload == (reference(keys, coder, chosen) if len(keys) else b"")
    assert coder.estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(coder.decode(payload, len(keys), dim), keys)


@given(
    st.lists(st.tuples(st.integers(0, 32), st.integers(1, 150)), min_size=1, max_size=12),
    st.integers(0, 8),
    st.integers(1, 5),
    st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_plan_is_the_optimum(simd_level, stretches, lb, f, seed):
    """g(i) for every i equals the direct recurrence, on stretches of widths, each noisy or not, at every level, length and table."""
    rng = np.random.default_rng(seed)
    parts = [rng.integers(0, top + 1, n) if rng.random() < 0.5 else np.full(n, top) for top, n in stretches]
    widths = np.concatenate(parts).astype(np.uint8)
    chosen = sorted({*rng.choice(33, min(33, 1 << f) - 1).tolist(), 32} - ({31} if f == 5 else set()))
    rounded = _rounded(tuple(chosen))
    bits, best = _partitioned.plan(widths, np.bincount(widths, minlength=33), rounded, lb, f)
    g = direct(rounded[widths].tolist(), lb, f)
    assert bits == g[-1]
    np.testing.assert_array_equal(best, np.array(g).astype(np.uint16))
    plan = _partitioned.trace(widths, rounded, lb, f, best)
    assert [(int(p & 255) + 1, int(p >> 8)) for p in plan] == shortest_last(rounded[widths].tolist(), g, lb, f)


@pytest.mark.parametrize("top", [0, 3, 8, 9, 16, 17, 25, 26])
def test_every_tail_at_every_level(top, simd_level):
    for n in (*range(1, 70), 127, 128, 129, 255, 256, 257, 300, 2047, 2048, 2049, 5000):
        check_tail(n, top)


def check_tail(n, top):
    rng = np.random.default_rng(n * 100 + top)
    scale = rng.integers(0, top + 1, -(-n // 9)).repeat(9)[:n]
    keys = np.cumsum(rng.integers(0, 1 << scale) + 1, dtype=np.uint64) - np.uint64(1)
    keys = keys[keys < TOP].astype(np.uint32)
    for coder in (Partitioned(), Partitioned(3, 2)):
        payload = bytes(coder.encode(keys, TOP))
        np.testing.assert_array_equal(coder.decode(payload, len(keys), TOP), keys)
    assert np.bincount([gap.bit_length() for gap in gap_list(keys)], minlength=33).tolist() == _partitioned.widths(keys)[1].tolist()


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_overhead_beside_the_optimum(key_sets, data):
    """At most 32 bytes: header and padding."""
    keys, dim = data.draw(key_sets)
    for lb, f in ((6, 5), (2, 5)):
        widths = [32 if gap.bit_length() == 31 else gap.bit_length() for gap in gap_list(keys)]
        assert 0 <= 8 * len(Partitioned(lb, f).encode(keys, dim)) - direct(widths, lb, f)[-1] <= 8 * 32


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_a_smaller_table_costs_little(key_sets, data):
    """The widths are the best for the partitions of the plan with all widths, so never worse than one width for all and its plan."""
    keys, dim = data.draw(key_sets)
    widest = max((gap.bit_length() for gap in gap_list(keys)), default=0)
    for f in (1, 2, 3, 4):
        plain = 9 + ((-(-len(keys) // 64)) * (6 + f) + widest * len(keys) + 7) // 8
        assert len(Partitioned(6, f).encode(keys, dim)) <= plain + (widest == 0) * (len(keys) + 7) // 8


def test_a_run_costs_its_descriptors():
    keys = np.arange(64_000, dtype=np.uint32) + 7
    assert len(Partitioned().encode(keys, TOP)) <= 4 + (1001 * 11 + 3 + 7) // 8
    assert len(Partitioned(8).encode(keys, TOP)) <= 4 + (251 * 13 + 3 + 7) // 8


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_estimate_below_stops_only_above_the_limit(key_sets, data):
    keys, dim = data.draw(key_sets)
    if len(keys):
        size, limit = len(Partitioned().encode(keys, dim)), data.draw(st.integers(0, 3000))
        found = Partitioned().estimate_below(GapStatistics(keys, dim), limit)
        assert found == size or limit <= found <= size


@pytest.mark.parametrize("spec", SPECS)
@given(data=st.data())
@settings(FIXTURES, max_examples=12)
def test_hostile_bytes(spec, key_sets, attack, data):
    attack(gradwire.keys(spec), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


@given(st.binary(min_size=5, max_size=400), st.integers(1, 3000), st.sampled_from(SPECS))
@settings(FIXTURES, max_examples=300)
def test_the_levels_refuse_the_same(decode_or_refuse, body, nnz, spec):
    """Made-up streams behind a plausible header: equal keys or equal errors at every level."""
    coder = gradwire.keys(spec)
    parts = max(1, nnz >> max(0, coder.length_bits - 1))
    payload = (parts - 1).to_bytes(4, "little") + (b"\x05\x02\0\0\0" if coder.width_bits < 5 else b"") + body
    found, before = [], gradwire._ext.simd.level()
    try:
        for level in gradwire._ext.simd.levels():
            gradwire._ext.simd.use(level)
            try:
                found.append(coder.decode(payload, nnz, TOP).tobytes())
            except gradwire.CorruptMessage as error:
                found.append(str(error))
    finally:
        gradwire._ext.simd.use(before)
    assert all(each == found[0] for each in found)


def stream(*fields):
    """Bytes of (value, bits) …, from the low bit of the first byte on."""
    word = at = 0
    for value, bits in fields:
        word |= value << at
        at += bits
    return word.to_bytes((at + 7) // 8, "little")


HEAD = bytes(4)


@pytest.mark.parametrize(
    ("payload", "nnz", "match"),
    [
        (HEAD + stream((0, 6), (8, 5), (5, 8)) + b"\0", 1, "another number of bytes"),
        (HEAD + stream((0, 6), (8, 5)), 1, "another number of bytes"),
        (HEAD + stream((1, 6), (0, 5)), 1, "another number of bytes"),
        (HEAD + stream((0, 6), (0, 5)), 2, "another number of bytes"),
        (HEAD + stream((0, 6), (7, 5), (5, 7), (1, 1)), 1, "unused bits"),
        (HEAD + stream((0, 6), (7, 5), (100, 7)), 1, "too large"),
        (HEAD + stream((1, 6), (7, 5), (99, 7), (0, 7)), 2, "too large"),
        (HEAD + stream((1, 6), (31, 5), (5, 32), (TOP - 1, 32)), 2, "too large"),
        (HEAD, 1, "at least 6 bytes"),
        (HEAD[:3], 1, "at least 6 bytes"),
        (HEAD, 0, "no bytes"),
        (HEAD + bytes(2), 65, "in partitions of 1 … 64, got 1 partitions"),
        (b"\1\0\0\0" + bytes(3), 1, "in partitions of 1 … 64, got 2 partitions"),
        (HEAD + bytes(2), 101, "at most 100 keys"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match, simd_level):
    with pytest.raises(gradwire.CorruptMessage, match=match):
        Partitioned().decode(payload, nnz, 100)


@pytest.mark.parametrize(
    ("table", "match"), [(0, "1 … 2 widths"), (0b111, "1 … 2 widths"), (1 << 33, "1 … 2 widths"), (1 << 8, "stands for nothing")]
)
def test_refuses_bad_tables(table, match, simd_level):
    payload = HEAD + table.to_bytes(5, "little") + stream((0, 6), (1, 1), (5, 8))
    with pytest.raises(gradwire.CorruptMessage, match=match):
        Partitioned(6, 1).decode(payload, 1, 100)


@pytest.mark.parametrize(
    "arguments", [{"length_bits": 9}, {"length_bits": -1}, {"width_bits": 0}, {"width_bits": 6}, {"width_bits": 2.0}, {"length_bits": True}]
)
def test_refuses_bad_configurations(arguments):
    with pytest.raises(gradwire.ConfigError, match="expected"):
        Partitioned(**arguments)


def test_spec_roundtrips():
    assert gradwire.keys(Partitioned(4, 3).spec) == Partitioned(4, 3)
    assert gradwire.keys("partitioned") == Partitioned(6, 5)


def test_widths_of_gaps_around_powers_of_two(simd_level):
    """A gap of 2³¹ + 65 was once 31 bits wide at AVX2, where a float of it rounds down."""
    steps = [d for k in range(8) for d in (-(1 << k) - 1, -(1 << k), (1 << k) - 1, 1 << k)]
    gaps = sorted({(1 << b) + d for b in range(33) for d in steps if 0 <= (1 << b) + d < 2**32 - 16})
    for gap in gaps:
        keys = np.array([*range(7), gap + 7, gap + 8], np.uint32)
        widths, counts = _partitioned.widths(keys)
        assert widths.tolist() == [0] * 7 + [gap.bit_length(), 0]
        assert counts.sum() == 9 and counts[gap.bit_length()] >= 1

"""bitflag: the kernels against NumPy, the choice of widths against brute force and the published example, hostile bytes."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradwire
from gradwire.codecs.keys.bitflag import BitFlag, choose_widths

SPECS = [
    "bitflag",
    "bitflag(widths=optimal)",
    *(f"bitflag(flag_bits={f}, widths={w})" for f in (0, 1, 3, 5) for w in ("multiples", "optimal")),
]
TOP = 1 << 32
UNIFORM_BYTE = [1, 1, 2, 4, 8, 16, 32, 64, 128]
"""How many of the numbers 0 … 255 are 0, 1, … 8 bits wide."""


def cost(counts, f, widths):
    """Bits for flags and payload, from the definition."""
    return sum(count * (f + min(w for w in widths if w >= b)) for b, count in enumerate(counts) if count)


def multiples(largest, f):
    """w, 2w, …, the last one min(·, B), w = ⌈B/2^f⌉."""
    step = -(-largest // 2**f)
    return sorted({min(step * i, largest) for i in range(1, 2**f + 1)})


def gaps_of(keys):
    gaps = keys.astype(np.int64)
    gaps[1:] = np.diff(gaps) - 1
    return gaps


def bit_widths(gaps):
    return np.searchsorted(1 << np.arange(32), gaps, side="right")


def gap_widths(keys):
    return np.bincount(bit_widths(gaps_of(keys)), minlength=33)


def reference(keys, f, widths):
    """The format of bitflag.h in NumPy."""
    gaps = gaps_of(keys)
    code = np.searchsorted(widths, bit_widths(gaps))
    header = sum(1 << b for b in widths) | f << 33
    flags = np.packbits(code[:, None] >> np.arange(f) & 1, bitorder="little")
    payload = np.packbits((gaps[:, None] >> np.arange(32) & 1)[np.arange(32) < np.array(widths)[code][:, None]], bitorder="little")
    return header.to_bytes(5, "little") + flags.tobytes() + payload.tobytes()


def check(coder, keys, dim):
    """The payload is the reference's, as long as `estimate` says, and decodes to the keys."""
    payload = bytes(coder.encode(keys, dim))
    if len(keys):
        f, widths, bits = choose_widths(gap_widths(keys), coder.flag_bits, coder.widths)
        assert payload == reference(keys, f, widths)
        assert bits <= 8 * (len(payload) - 5) < bits + 16
    else:
        assert payload == b""
    assert coder.estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(coder.decode(payload, len(keys), dim), keys)
    return payload


@pytest.mark.parametrize("spec", SPECS)
@given(data=st.data())
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_the_reference_and_roundtrips(spec, key_sets, simd_level, data):
    check(gradwire.keys(spec), *data.draw(key_sets))


@pytest.mark.parametrize("spec", SPECS[:2])
def test_every_length(spec, ragged_keys, simd_level):
    coder = gradwire.keys(spec)
    for n in (*range(160), *range(160, 330, 7)):
        check(coder, ragged_keys[:n], TOP)


@pytest.mark.parametrize("largest", [0, 1, 7, 13, 14, 15, 25, 26, 28, 31])
@pytest.mark.parametrize("f", range(6))
def test_long_messages(f, largest, simd_level):
    """Whole blocks, chunks of the histogram, words that four gaps overflow, gaps beyond 25 bits, and some that take all 32."""
    rng = np.random.default_rng(largest)
    gaps = rng.integers(0, 1 << largest, max(40, min(10_000, 1 << (33 - largest))), endpoint=True)
    gaps[rng.random(len(gaps)) < 0.3] = 0
    gaps[[0, len(gaps) // 2]] = 0, (1 << 32) - 1 - gaps.sum() - len(gaps) if f % 2 and gaps.sum() < 1 << 31 else 0
    keys = np.cumsum(gaps + 1) - 1
    keys = keys[keys < TOP].astype(np.uint32)
    for kind in ("multiples", "optimal"):
        payload = check(BitFlag(f, kind), keys, TOP)
        with pytest.raises(gradwire.CorruptMessage, match="too large"):
            BitFlag(f, kind).decode(payload, len(keys), int(keys[-1]))


def test_refuses_what_are_no_keys(bad_keys, simd_level):
    """The kernel finds that something is wrong, the error is that of every other coder."""
    keys, dim, match = bad_keys
    for what in (BitFlag().encode, BitFlag().estimate):
        with pytest.raises(gradwire.DataError, match=match):
            what(keys, dim)


histograms = st.lists(st.integers(0, 20), min_size=1, max_size=11).filter(any)


@given(histograms, st.integers(0, 5))
@settings(deadline=None)
def test_multiples_follow_their_definition(counts, f):
    largest = max(1, *(b for b, count in enumerate(counts) if count)) if len(counts) > 1 else 1
    chosen = choose_widths(counts, f)
    assert chosen == (f, tuple(multiples(largest, f)), cost(counts, f, multiples(largest, f)))


@given(histograms, st.integers(0, 3))
@settings(deadline=None)
def test_optimal_widths_are_the_optimum(counts, f):
    """Brute force over all sets of at most 2^f widths; with f = 0 the only width is at least 1."""
    last = max(b for b, count in enumerate(counts) if count)
    sets = [set(chosen) | {last} for m in range(2**f) for chosen in combinations(range(last), m)] if f else [{max(1, last)}]
    least = min(cost(counts, f, widths) for widths in sets)
    chosen = choose_widths(counts, f, "optimal")
    assert chosen.bits == cost(counts, f, chosen.widths) == least
    assert list(chosen.widths) == sorted(set(chosen.widths)) and len(chosen.widths) <= 2**f


@given(st.lists(st.integers(0, 10**9), max_size=33), st.sampled_from(["multiples", "optimal"]))
@settings(deadline=None)
def test_auto_is_the_best_and_optimal_never_worse(counts, kind):
    each = [choose_widths(counts, f, kind) for f in range(6)]
    assert choose_widths(counts, "auto", kind) == min(each, key=lambda chosen: chosen.bits)
    for f in ("auto", *range(6)):
        assert choose_widths(counts, f, "optimal").bits <= choose_widths(counts, f, "multiples").bits


def test_uniform_bytes_cost_what_the_report_should_have_said():
    """Numbers uniform on 0 … 255, 2-bit flags: {2,4,6,8} and 9.34375 bits each; the best four widths {4,6,7,8} and 9.125."""
    chosen = choose_widths(UNIFORM_BYTE, flag_bits=2)
    assert chosen.widths == (2, 4, 6, 8) and chosen.bits / 256 == 9.34375 and 400 * chosen.bits / 256 == 3737.5
    chosen = choose_widths(UNIFORM_BYTE, flag_bits=2, widths="optimal")
    assert chosen.widths == (4, 6, 7, 8) and chosen.bits / 256 == 9.125 and 400 * chosen.bits / 256 == 3650


def test_the_message_costs_what_the_histogram_says():
    """Every gap 0 … 255 once, coded minus 1: 5 bytes of header, then 256 times 9.34375 bits."""
    gaps = np.random.default_rng(0).permutation(256)
    keys = (np.cumsum(gaps + 1) - 1).astype(np.uint32)
    coder = BitFlag(flag_bits=2)
    assert len(coder.encode(keys, 1 << 20)) == 5 + 256 * 9.34375 / 8


def test_a_run_costs_one_bit_a_key():
    keys = np.arange(8000, dtype=np.uint32)
    assert len(BitFlag().encode(keys, 8000)) == len(BitFlag(widths="optimal").encode(keys, 8000)) == 5 + 1000


@pytest.mark.parametrize("spec", [*SPECS[:2], "bitflag(flag_bits=3)", "bitflag(flag_bits=5, widths=optimal)"])
@given(data=st.data())
@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_bytes(spec, key_sets, attack, simd_level, data):
    attack(gradwire.keys(spec), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


@pytest.mark.parametrize("spec", SPECS[1:5])
def test_all_levels_say_the_same_about_damaged_messages(spec, damaged):
    damaged(gradwire.keys(spec))


def head(f, *widths):
    return (sum(1 << b for b in widths) | f << 33).to_bytes(5, "little")


@pytest.mark.parametrize(
    ("payload", "nnz", "match"),
    [
        (head(0, 8) + b"\x05\x05", 1, "another number of bytes"),
        (head(1, 0, 8) + b"\x03\x05", 2, "another number of bytes"),
        (head(0, 7) + b"\x85", 1, "unused bits"),
        (head(1, 0, 8) + b"\x05\x05", 2, "unused bits"),
        (head(2, 0, 1, 8) + b"\x03\x05", 1, "stands for nothing"),
        (head(0, 7) + b"\x64", 1, "too large"),
        (head(0, 8) + b"\x62\x00\x00", 3, "too large"),
        (head(0, 32) + b"\xff\xff\xff\xff", 1, "too large"),
        (head(0, 8), 1, "at least 1 bytes"),
        (head(0, 8)[:4], 1, "at least 1 bytes"),
        (head(0, 8), 0, "no bytes"),
        (head(0, 1) + bytes(200), 101, "at most 100 keys"),
        (head(0, 0) + b"\x00", 1, "as many widths"),
        (head(0) + b"\x00", 1, "as many widths"),
        (head(1, 1, 2, 3) + b"\x00\x00", 1, "as many widths"),
        (head(6, 1) + b"\x00\x00", 1, "as many widths"),
    ],
)
def test_says_what_is_wrong(payload, nnz, match):
    with pytest.raises(gradwire.CorruptMessage, match=match):
        BitFlag().decode(payload, nnz, 100)


@pytest.mark.parametrize("arguments", [{"flag_bits": 6}, {"flag_bits": -1}, {"flag_bits": True}, {"flag_bits": 2.0}, {"widths": "best"}])
def test_refuses_bad_configurations(arguments):
    with pytest.raises(gradwire.ConfigError, match="expected"):
        BitFlag(**arguments)


@pytest.mark.parametrize("counts", [[-1], [1] * 34, [[1]]])
def test_refuses_what_is_not_a_histogram(counts):
    with pytest.raises(gradwire.ConfigError, match="33 widths"):
        choose_widths(counts)


def test_spec_roundtrips():
    coder = BitFlag(3, "optimal")
    assert gradwire.keys(coder.spec) == coder

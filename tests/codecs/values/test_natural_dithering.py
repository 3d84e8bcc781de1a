"""natural_dithering: the kernel against NumPy byte for byte, the levels, unbiased, ω as claimed, both kinds of norm, hostile bytes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire.codecs import entropy
from gradwire.errors import ConfigError, CorruptMessage, DataError

STEP = gw.Step(7, 11, 2)
SPECS = [
    "natural_dithering",
    "natural_dithering(levels=1, p=inf)",
    "natural_dithering(levels=7, p=1)",
    "natural_dithering(levels=64, p=inf)",
    "natural_dithering(group_size=33)",
    "natural_dithering(levels=3, group_size=1)",
    "natural_dithering(norm=natural)",
    "natural_dithering(norm=natural, group_size=20)",
    "natural_dithering(coding=elias)",
    "natural_dithering(coding=huffman)",
]


def codes_of(values, norms, coder, reference):
    t = reference.relative(values, norms, coder.group_size, 1)
    random = reference.random32(STEP.private("natural_dithering"), len(values))
    up = ((t.view(np.uint32) + (random >> 9)) >> 23).astype(int) - (127 - coder.levels)
    tiny = np.float32(2.0 ** (1 - coder.levels))
    below = t / tiny * np.float32(2.0**31) > (random >> 1).astype(np.float32)
    level = np.where(t < tiny, below, up)
    return 2 * level - ((level > 0) & np.signbit(values))


def sent_norms(norms, coder, reference):
    """What travels of the norms, and what they are at the receiver."""
    if coder.norm == "fp32":
        return norms.tobytes(), norms
    random = reference.random32(STEP.private("natural_dithering norm"), len(norms))
    fields = np.minimum((norms.view(np.uint32) + (random >> 9)) >> 23, 254)
    return fields.astype(np.uint8).tobytes(), (fields << 23).astype(np.uint32).view(np.float32)


def roundtrip(coder, values, step=STEP):
    return coder.decode(coder.encode(values, None, step), None, step, len(values))


@pytest.mark.parametrize("spec", SPECS)
def test_equals_the_reference(spec, inputs, reference, simd_level):
    coder = gw.values(spec)
    alphabet = 2 * coder.levels + 1
    for values in inputs:
        norms = reference.norms(values, coder.group_size, coder.p)
        codes = codes_of(values, norms, coder, reference)
        table, norms = sent_norms(norms, coder, reference)
        coded = {
            "fixed": lambda codes: reference.packed(codes, (alphabet - 1).bit_length()),
            "elias": reference.gamma,
            "huffman": lambda codes: entropy.encode(codes.astype(np.uint16), alphabet).tobytes(),
        }[coder.coding](codes)
        payload = coder.encode(values, None, STEP).tobytes()
        assert payload == table + bytes(-len(table) % 8) + coded
        power = np.where(codes == 0, 0, 2.0 ** ((codes + 1) // 2 - coder.levels)).astype(np.float32) * np.where(codes % 2, -1, 1)
        expected = power.astype(np.float32) * norms[reference.grouped(values, coder.group_size)[1]]
        assert np.array_equal(coder.decode(payload, None, STEP, len(values)).view(np.uint32), expected.view(np.uint32))


def test_levels_are_zero_and_powers_of_two(reference):
    """The two nearest of 0, 2^(1−s), … ½, 1 times the norm; exactly those stay."""
    coder = gw.values("natural_dithering(levels=5, p=inf)")
    levels = np.array([0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1], np.float32)
    exact = np.float32(3.7) * np.concatenate([levels, -levels])
    assert np.array_equal(roundtrip(coder, exact), exact)
    values = np.random.default_rng(0).uniform(-1, 1, 2000).astype(np.float32)
    values[0] = 1
    back = np.abs(roundtrip(coder, values))
    at = np.searchsorted(levels, np.abs(values), "right") - 1
    assert np.all((back == levels[at]) | (back == levels[np.minimum(at + 1, 5)]))
    assert set(back) == set(levels)


@pytest.mark.parametrize("spec", [SPECS[0], SPECS[1], SPECS[5], SPECS[6], "natural_dithering(levels=3)"])
def test_unbiased(spec):
    coder, n, draws = gw.values(spec), 100, 6000
    values = (np.random.default_rng(5).normal(size=n) * np.geomspace(1e-3, 1, n)).astype(np.float32)
    sent = np.array([roundtrip(coder, values, gw.Step(i)) for i in range(draws)], np.float64)
    spread = sent.std(axis=0) / math.sqrt(draws)
    rare = np.linalg.norm(values) * 2.0 ** (1 - coder.levels) * 12 / draws
    assert np.all(np.abs(sent.mean(axis=0) - values) <= np.maximum(5 * spread, rare) + 1e-6 * np.abs(values))


@pytest.mark.parametrize(
    "spec",
    [
        "natural_dithering",
        "natural_dithering(levels=2)",
        "natural_dithering(levels=3, p=inf, norm=natural)",
        "natural_dithering(levels=4, p=1)",
    ],
)
@pytest.mark.parametrize("dim", [1, 4, 100, 1000])
def test_omega_is_an_upper_bound(spec, dim):
    coder = gw.values(spec)
    for values in (np.random.default_rng(dim).normal(size=dim), np.ones(dim) * 4 / 3, np.eye(1, dim)[0], np.arange(dim) + 1.0):
        values = values.astype(np.float32)
        norm = np.sum(values.astype(float) ** 2)
        errors = [np.sum((roundtrip(coder, values, gw.Step(i)) - values.astype(float)) ** 2) / norm for i in range(100)]
        assert np.mean(errors) <= coder.omega(dim) + 4 * np.std(errors) / 10 + 1e-9


def test_omega_formulas():
    """1/8 + t min(1, t), t = √d 2^(1−s); times 9/8 with a natural norm, whose second moment is 81/64 at the limit."""
    assert gw.values("natural_dithering(levels=3)").omega(4) == 0.125 + 0.25
    assert gw.values("natural_dithering(levels=3)").omega(64) == 0.125 + 2
    assert gw.values("natural_dithering(levels=3, p=1)").omega(8) == 0.125 + 2
    assert gw.values("natural_dithering(levels=3, group_size=4)").omega(64) == 0.125 + 0.25
    assert 1 + gw.values("natural_dithering(levels=64, norm=natural)").omega(10**4) == pytest.approx(81 / 64)
    assert all(gw.values(spec).unbiased for spec in SPECS)


def test_sizes():
    """2 + log₂ s bits a value and 4 bytes for a norm, 1 for a natural one, padded to 8."""
    values = np.random.default_rng(2).normal(size=8000).astype(np.float32)
    for levels, bits in ((1, 2), (3, 3), (4, 4), (8, 5), (16, 6)):
        assert len(gw.values(f"natural_dithering(levels={levels})").encode(values, None, STEP)) == 8 + 1000 * bits
    assert len(gw.values("natural_dithering(group_size=100)").encode(values, None, STEP)) == 4 * 80 + 5000
    assert len(gw.values("natural_dithering(group_size=100, norm=natural)").encode(values, None, STEP)) == 80 + 5000
    assert len(gw.values("natural_dithering(coding=huffman)").encode(values, None, STEP)) < 0.6 * 5008


def test_the_largest_natural_norms_are_clamped():
    values = np.full(3, np.finfo(np.float32).max, np.float32)
    assert np.array_equal(roundtrip(gw.values("natural_dithering(p=inf, norm=natural)"), values), np.full(3, 2.0**127))
    assert np.array_equal(roundtrip(gw.values("natural_dithering(p=inf)"), values), values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(bad):
    values = np.ones(50, np.float32)
    values[13] = bad
    with pytest.raises(DataError, match="at position 13"):
        gw.values("natural_dithering(group_size=4)").encode(values, None, STEP)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SPECS), st.binary(max_size=150), st.integers(0, 150))
def test_any_bytes_give_finite_values_or_an_error(spec, data, nnz):
    try:
        values = gw.values(spec).decode(data, None, STEP, nnz)
    except CorruptMessage:
        return
    assert values.shape == (nnz,) and np.all(np.isfinite(values))


@pytest.mark.parametrize(
    ("spec", "payload", "nnz", "match"),
    [
        ("natural_dithering", bytes(8), 1, "expected at least 1 bytes"),
        ("natural_dithering", bytes(8), 1 << 32, "expected at least 2684354560 bytes"),
        ("natural_dithering", bytes(8) + b"\x11", 1, "codes below 17, got 17"),
        ("natural_dithering", bytes(2), 0, "1 codes of 5 bits|0 codes of 5 bits"),
        ("natural_dithering", b"\0\0\0\x80" + bytes(5), 1, "not negative"),
        ("natural_dithering(norm=natural)", b"\xff" + bytes(8), 1, "up to 254, got 255"),
        ("natural_dithering(norm=natural)", b"\1\1" + bytes(7), 1, "zeros behind"),
    ],
)
def test_says_what_is_wrong(spec, payload, nnz, match):
    with pytest.raises(CorruptMessage, match=match):
        gw.values(spec).decode(payload, None, STEP, nnz)


@pytest.mark.parametrize("arguments", ["levels=0", "levels=65", "levels=2.0", "p=0.5", "group_size=-1", "norm=fp16", "coding=none"])
def test_refuses_other_fields(arguments):
    with pytest.raises(ConfigError, match=f"expected {arguments.split('=')[0]}"):
        gw.values(f"natural_dithering({arguments})")


def test_the_preset_is_this_composition():
    codec = gw.codec("natural_dithering(levels=7, p=inf, group_size=64, norm=natural, coding=elias, keys=raw)")
    assert codec.composed == gw.codec("raw+natural_dithering(levels=7, p=inf, group_size=64, norm=natural, coding=elias)")
    assert codec.unbiased and codec.omega(1000) == codec.composed.values.omega(1000)

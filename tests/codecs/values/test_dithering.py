"""dithering: kernels and codings against NumPy byte for byte; unbiased, ω as claimed; norms at the ends of the range; hostile bytes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire._ext import dithering as kernel
from gradwire.codecs import entropy
from gradwire.errors import ConfigError, CorruptMessage, DataError

STEP = gw.Step(7, 11, 2)
LARGEST = np.finfo(np.float32).max
SPECS = [
    "dithering",
    "dithering(p=1)",
    "dithering(p=inf, group_size=32)",
    "dithering(levels=1, p=inf)",
    "dithering(levels=7, group_size=33)",
    "dithering(levels=64, group_size=1)",
    "dithering(levels=63)",
    "dithering(levels=128, p=inf)",
    "dithering(levels=32767, p=inf)",
    "dithering(coding=elias)",
    "dithering(levels=32767, p=inf, coding=elias)",
    "dithering(coding=huffman, group_size=100)",
    "dithering(levels=1, p=inf, coding=huffman)",
]


def payload_of(values, coder, reference):
    """The payload, one NumPy line for each step of the definition."""
    norms = reference.norms(values, coder.group_size, coder.p)
    t = reference.relative(values, norms, coder.group_size, coder.levels)
    floor = np.floor(t)
    word = (reference.random32(STEP.private("dithering"), len(values)) >> 1).astype(np.float32)
    level = floor.astype(int) + ((t - floor) * np.float32(2.0**31) > word)
    codes = 2 * level - ((level > 0) & np.signbit(values))
    alphabet = 2 * coder.levels + 1
    if coder.coding == "fixed":
        coded = reference.packed(codes, (alphabet - 1).bit_length())
    else:
        coded = reference.gamma(codes) if coder.coding == "elias" else entropy.encode(codes.astype(np.uint16), alphabet).tobytes()
    return norms.tobytes() + bytes(-norms.nbytes % 8) + coded


def values_of(payload, nnz, coder, reference):
    """decode from the definition: (k hi + k lo) / lift."""
    norms = np.frombuffer(payload, np.float32, -(-nnz // (coder.group_size or max(1, nnz))))
    assert coder.coding == "fixed"
    bits = (2 * coder.levels).bit_length()
    stream = np.unpackbits(np.frombuffer(payload[norms.nbytes + -norms.nbytes % 8 :], np.uint8), bitorder="little")[: nnz * bits]
    codes = stream.reshape(nnz, bits) @ (1 << np.arange(bits))
    signed = np.where(codes % 2, -(codes + 1) // 2, codes // 2).astype(np.float32)
    lift = np.where(norms < 2.0**-64, 2.0**64, np.where(norms < 2.0**64, 1, 2.0**-64))
    unit = norms * lift / coder.levels
    hi = (unit.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF8000)).view(np.float32)
    lo, unlift = (unit - hi).astype(np.float32), (1 / lift).astype(np.float32)
    of = np.arange(nnz) // (coder.group_size or max(1, nnz))
    return (signed * hi[of] + signed * lo[of]) * unlift[of]


def roundtrip(coder, values, step=STEP):
    return coder.decode(coder.encode(values, None, step), None, step, len(values))


@pytest.mark.parametrize("spec", SPECS)
def test_equals_the_reference(spec, inputs, reference, simd_level):
    coder = gw.values(spec)
    for values in inputs:
        payload = coder.encode(values, None, STEP).tobytes()
        assert payload == payload_of(values, coder, reference)
        decoded = coder.decode(payload, None, STEP, len(values))
        if coder.coding == "fixed":
            assert np.array_equal(decoded.view(np.uint32), (values_of(payload, len(values), coder, reference) + 0.0).view(np.uint32))


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_equals_the_reference_on_any_list(data, reference):
    finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
    values = np.array(data.draw(st.lists(finite, max_size=80)), np.float32)
    coder = gw.values(data.draw(st.sampled_from(SPECS)))
    assert coder.encode(values, None, STEP).tobytes() == payload_of(values, coder, reference)


@pytest.mark.parametrize("spec", SPECS)
def test_results_are_neighbouring_levels(spec, inputs, reference):
    """Of the value's sign, at most one level away, and never beyond the norm."""
    coder = gw.values(spec)
    for values in inputs:
        norms = reference.norms(values, coder.group_size, coder.p)
        norm = norms[reference.grouped(values, coder.group_size)[1]].astype(np.float64)
        back = roundtrip(coder, values).astype(np.float64)
        assert np.all(np.abs(back) <= norm) and np.all(back * values >= 0)
        assert np.all(np.abs(back - values) <= norm / coder.levels * (1 + 1e-6) + 2.0**-149)


@pytest.mark.parametrize("levels", [1, 2, 3, 5, 7, 10, 100, 127, 128, 1000, 32767])
def test_the_norm_itself_is_exact(levels, simd_level):
    """The largest of a group is the top level, which decodes to the norm, bit for bit."""
    for norm in (LARGEST, 1.0, 0.1, 3e38, 2.0**64, 2.0**-64, 1.7e-30, 2.0**-126, 2.0**-130, 2.0**-149):
        for p, other in (("inf", -norm), ("2", 0)):
            values = np.zeros(40, np.float32)
            values[7], values[9] = norm, other
            assert np.array_equal(roundtrip(gw.values(f"dithering(levels={levels}, p={p})"), values), values)


def test_norms_beyond_the_largest_float(reference):
    """‖x‖₂ is infinite in float32: the norm is cut to the largest float, every value is below it, and the mean stays."""
    values = np.full(1000, LARGEST / 3, np.float32)
    assert kernel_norm(values, 2) == kernel_norm(values, 1) == LARGEST
    mean = np.mean([roundtrip(gw.values("dithering(levels=1)"), values, gw.Step(i)).astype(np.float64).mean() for i in range(100)])
    assert mean == pytest.approx(float(values[0]), rel=0.03)


def kernel_norm(values, p):
    out = np.empty(1, np.float32)
    assert kernel.norms(values, len(values), p, out)
    return out[0]


@pytest.mark.parametrize("p", [1, 2])
def test_norms_are_correctly_rounded(p, simd_level):
    """Against exact sums; half a unit in the last place and the little that doubles add to it."""
    rng = np.random.default_rng(1)
    for scale in (1e-40, 1e-20, 1.0, 1e30):
        values = (rng.normal(size=10_000) * scale).astype(np.float32)
        exact = values.astype(np.longdouble)
        expected = np.sum(np.abs(exact)) if p == 1 else np.sqrt(np.sum(exact * exact))
        assert abs(kernel_norm(values, p) - expected) <= 0.5001 * np.spacing(np.float32(expected))


@pytest.mark.parametrize(
    "spec", ["dithering", "dithering(levels=1, p=inf)", "dithering(levels=4, group_size=50)", "dithering(p=1, coding=elias)"]
)
def test_unbiased(spec, reference):
    """Each coordinate's mean over many steps is within 5 standard deviations of a two-point variable; and none is stuck at zero."""
    coder, n, draws = gw.values(spec), 200, 4000
    values = (np.random.default_rng(5).normal(size=n) * np.geomspace(1e-4, 1, n)).astype(np.float32)
    unit = (reference.norms(values, coder.group_size, coder.p) / coder.levels)[reference.grouped(values, coder.group_size)[1]].astype(float)
    mean = np.mean([roundtrip(coder, values, gw.Step(i)).astype(np.float64) for i in range(draws)], axis=0)
    share = np.abs(values) / unit % 1
    assert np.all(np.abs(mean - values) <= unit * np.maximum(5 * np.sqrt(share * (1 - share) / draws), 12 / draws))
    z = (mean - values) / (unit * np.sqrt(share * (1 - share) / draws + 1e-12))
    assert abs(z.mean()) < 5 / math.sqrt(n)


def test_tiny_values_keep_their_mean():
    """Values a millionth of a level are raised once in a million times, not never."""
    values = np.full(4_000_000, 1e-6, np.float32)
    values[0] = 1
    back = roundtrip(gw.values("dithering(levels=1, p=inf)"), values)[1:]
    assert abs(back.sum() - 4) <= 5 * 2


@pytest.mark.parametrize(
    "spec", ["dithering", "dithering(levels=4)", "dithering(levels=2, p=inf)", "dithering(levels=1, p=inf)", "dithering(levels=9, p=1)"]
)
@pytest.mark.parametrize("dim", [1, 4, 100, 1000])
def test_omega_is_an_upper_bound(spec, dim):
    coder = gw.values(spec)
    for values in (np.random.default_rng(dim).normal(size=dim), np.ones(dim), np.eye(1, dim)[0], np.arange(dim) + 1.0):
        values = values.astype(np.float32)
        norm = np.sum(values.astype(float) ** 2)
        errors = [np.sum((roundtrip(coder, values, gw.Step(i)) - values.astype(float)) ** 2) / norm for i in range(60)]
        assert np.mean(errors) <= coder.omega(dim) + 4 * np.std(errors) / math.sqrt(len(errors)) + 1e-9


def test_omega_formulas():
    """min(d/u², √d/u) for p = 2; d/u for p = 1 and many values; (√d − 1)/2 for TernGrad, reached where half the mass is one value."""
    assert gw.values("dithering(levels=10)").omega(25) == pytest.approx(25 / 100)
    assert gw.values("dithering(levels=10)").omega(10**4) == pytest.approx(100 / 10)
    assert gw.values("dithering(levels=10, p=1)").omega(400) == pytest.approx(40)
    assert gw.values("dithering(levels=10, p=1)").omega(5) == pytest.approx(0.25)
    assert gw.values("dithering(levels=1, p=inf)").omega(49) == pytest.approx(3)
    assert gw.values("dithering(levels=10, group_size=25)").omega(10**9) == gw.values("dithering(levels=10)").omega(25)
    assert gw.values("dithering(levels=10, group_size=25)").omega(9) == gw.values("dithering(levels=10)").omega(9)
    d = 400
    values = np.full(d, 1 / (math.sqrt(d) + 1), np.float32)
    values[0] = 1
    coder = gw.values("dithering(levels=1, p=inf)")
    errors = [
        np.sum((roundtrip(coder, values, gw.Step(i)) - values.astype(float)) ** 2) / np.sum(values.astype(float) ** 2) for i in range(400)
    ]
    assert np.mean(errors) == pytest.approx(coder.omega(d), rel=0.05)


def test_sizes():
    """8 bits for 127 levels, 2 for TernGrad's; elias and huffman well below where most levels are 0."""
    values = np.random.default_rng(2).normal(size=10_000).astype(np.float32)
    size = {spec: len(gw.values(spec).encode(values, None, STEP)) for spec in SPECS}
    assert size["dithering"] == 8 + 10_000
    assert size["dithering(levels=1, p=inf)"] == 8 + 2_500
    assert size["dithering(levels=7, group_size=33)"] == 4 * 304 + 10_000 * 4 // 8
    assert size["dithering(coding=elias)"] < 0.4 * size["dithering"]
    assert len(gw.values("dithering(coding=huffman)").encode(values, None, STEP)) < 0.35 * size["dithering"]
    assert gw.values("dithering(group_size=33)").tables_nbytes(b"", 100) == 16


def test_equal_steps_equal_bytes_and_ranks_differ():
    x = np.random.default_rng(5).standard_normal(500).astype(np.float32)
    coder = gw.values("dithering")
    one, again, other = (coder.encode(x, None, gw.Step(1, 2, rank)).tobytes() for rank in (0, 0, 1))
    assert one == again != other


@pytest.mark.parametrize("p", ["1", "2", "inf"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(p, bad, simd_level):
    for at, n in [(0, 1), (31, 32), (64, 65), (10, 200)]:
        values = np.ones(n, np.float32)
        values[at] = bad
        with pytest.raises(DataError, match=f"at position {at}"):
            gw.values(f"dithering(p={p})").encode(values, None, STEP)


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
        ("dithering", bytes(8), 1, "expected 9 bytes, got 8"),
        ("dithering", bytes(8), 1 << 32, "expected 4294967304 bytes"),
        ("dithering", bytes(8) + b"\xff", 1, "codes up to 254"),
        ("dithering", b"\0\0\x80\xbf" + bytes(5), 1, "not negative"),
        ("dithering", b"\0\0\x80\x7f" + bytes(5), 1, "finite norms"),
        ("dithering", b"\0\0\0\0\1" + bytes(4), 1, "zeros behind"),
        ("dithering(levels=7)", bytes(8), 1 << 32, "at least 2147483648 bytes"),
        ("dithering(levels=7)", bytes(10), 1, "1 codes of 4 bits"),
        ("dithering(levels=7)", bytes(8) + b"\x0f", 1, "codes below 15, got 15"),
        ("dithering(coding=elias)", bytes(8), 1 << 32, "at least 536870912 bytes"),
        ("dithering(coding=elias)", bytes(9), 3, "gamma codes of 3 numbers in 1 bytes"),
        ("dithering(coding=elias, levels=1)", bytes(8) + b"\4\0", 1, "codes below 3, got 3"),
        ("dithering(coding=huffman)", bytes(8), 1 << 32, "expected 4294967296 codes"),
        ("dithering(group_size=1)", bytes(80), 1 << 32, "expected 21474836480 bytes"),
        ("dithering(group_size=1, coding=elias)", bytes(8) + b"\xff", 8, "bytes"),
    ],
)
def test_says_what_is_wrong(spec, payload, nnz, match):
    with pytest.raises(CorruptMessage, match=match):
        gw.values(spec).decode(payload, None, STEP, nnz)


@pytest.mark.parametrize(
    "arguments",
    ["levels=0", "levels=32768", "levels=2.0", "levels=true", "p=0", "p=3", "p=true", "group_size=-1", "group_size=1.5", "coding=omega"],
)
def test_refuses_other_fields(arguments):
    with pytest.raises(ConfigError, match=f"expected {arguments.split('=')[0]}"):
        gw.values(f"dithering({arguments})")


def test_the_kernel_refuses_wrong_buffers():
    x, norms = np.ones(10, np.float32), np.ones(1, np.float32)
    for call in (
        lambda: kernel.norms(x, 0, 2, norms),
        lambda: kernel.norms(x, 5, 2, norms),
        lambda: kernel.encode(x, 10, norms, 128, 0, np.empty(10, np.uint8)),
        lambda: kernel.encode(x, 10, norms, 32768, 0, np.empty(20, np.uint8)),
        lambda: kernel.decode(np.empty(11, np.uint8), 10, norms, 1, x),
        lambda: kernel.encode_natural(x, 10, norms, 65, 0, np.empty(10, np.uint16)),
        lambda: kernel.decode_natural(np.empty(9, np.uint16), 10, norms, 8, x),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()


def test_spec_roundtrips():
    assert gw.values("dithering(p=2)").spec == "dithering"
    assert gw.values("dithering(p=1)").spec == "dithering(p=1.0)"
    for spec in SPECS:
        assert gw.values(gw.values(spec).spec) == gw.values(spec)


def test_the_preset_is_this_composition():
    codec = gw.codec("qsgd(levels=7, p=inf, group_size=64, coding=elias, keys=raw)")
    assert codec.composed == gw.codec("raw+dithering(levels=7, p=inf, group_size=64, coding=elias)")
    assert codec.unbiased and codec.omega(1000) == codec.composed.values.omega(1000) and codec.spec_hash == codec.composed.spec_hash

"""quantile: splits, buckets, bound and bytes, against NumPy and the exact sketch."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire import ConfigError, CorruptMessage, DataError
from gradwire._ext import quantile as _quantile
from gradwire._ext import simd
from gradwire.codecs.values import buckets as _buckets

STEP = gw.Step(3, seed=5, rank=1)
TINY = np.float32(1.4e-45)
finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def gaussian(n, seed=0):
    return np.random.default_rng(seed).normal(size=n).astype(np.float32)


def heavy_tail(n, seed=0):
    rng = np.random.default_rng(seed)
    return (np.exp(rng.normal(-9, 2.5, n)) * rng.choice([-1, 1], n)).astype(np.float32)


def round_trip(spec, values):
    coder = gw.values(spec)
    payload = coder.encode(values, None, STEP)
    return coder.decode(bytes(payload), None, STEP, len(values))


def bits_of(payload, count):
    """The packed numbers of a payload with `count` buckets, by NumPy."""
    bits = max(1, (count - 1).bit_length())
    stream = np.unpackbits(np.asarray(payload), bitorder="little")
    return bits, stream[: len(stream) // bits * bits].reshape(-1, bits) @ (1 << np.arange(bits))


# Kernels

LENGTHS = [*range(70), 127, 128, 255, 256, 257, 300, _quantile.TABLE_FROM - 1, _quantile.TABLE_FROM, 40_000]
EDGES = np.array([0.0, -0.0, TINY, -TINY, 3.4028235e38, -3.4028235e38, 1.1754944e-38, -1.1754944e-38], np.float32)


def mixed(n, seed=0, among=()):
    """n values: both signs, ties, zeros, subnormals, the largest floats."""
    rng = np.random.default_rng(seed)
    pool = np.concatenate([heavy_tail(max(n, 1), seed), np.repeat(EDGES, 1 + n // 40), np.resize(gaussian(5), 1 + n // 10), among])
    return rng.permutation(pool)[:n].astype(np.float32)


@pytest.mark.parametrize("m", [0, 1, 2, 7, 31, 254, 255, 256, 3000, 65535])
def test_assign_equals_searchsorted(m, simd_level):
    """With and without the table, in bytes and in words; splits that crowd in one cell of 2¹⁶ integers; values that are splits."""
    rng = np.random.default_rng(m)
    crowded = (np.float32(1).view(np.uint32) + rng.integers(0, 2000, m // 2).astype(np.uint32)).view(np.float32)
    for splits in (
        np.unique(np.concatenate([heavy_tail(m - m // 2, m), crowded])),
        np.ldexp(gaussian(m, 1), np.arange(m, dtype=np.int32) % 100),
    ):
        splits = np.unique(splits[np.isfinite(splits)] + np.float32(0))
        for n in LENGTHS if m in (7, 255) else (1, 300, 40_000):
            values = mixed(n, n + m, splits)
            for dtype in (np.uint8, np.uint16) if len(splits) <= 255 else (np.uint16,):
                codes = np.full(n + 1, 99, dtype)
                _quantile.assign(values, splits, codes)
                assert np.array_equal(codes[:n], np.searchsorted(splits, values, side="right").astype(dtype)), (n, dtype)
                assert codes[n] == 99


def test_survey_and_selection_equal_numpy(simd_level):
    for n in LENGTHS:
        values = mixed(n, n)
        if n:
            least, most, below, zeros = _quantile.survey(values)
            assert (least, most, below, zeros) == (values.min(), values.max(), (values < 0).sum(), (values == 0).sum())
            for bad in (np.nan, -np.nan, np.inf, -np.inf):
                poisoned = values.copy()
                poisoned[n // 2] = bad
                assert _quantile.survey(poisoned) is None
        for found, expected in (
            (_quantile.negatives(values), values[values < 0]),
            (_quantile.positives(values), values[values > 0]),
            (_quantile.nonzeros(values), values[values != 0]),
            (_quantile.within(values, 1e-4), values[np.abs(values) <= np.float32(1e-4)]),
            (_quantile.within(values, 0.0), values[values == 0]),
        ):
            assert found.tobytes() == expected.tobytes(), n


@pytest.mark.parametrize(
    "make",
    [
        mixed,
        lambda n: np.full(n, -2.0, np.float32),
        lambda n: np.zeros(n, np.float32),
        lambda n: np.sort(np.abs(heavy_tail(n)))[::-1].copy(),
    ],
)
def test_largest_magnitude_equals_a_sort(make, simd_level):
    for n in (1, 2, 70, 5000, 8193, 60_000):
        values = make(n)
        magnitudes = np.sort(np.abs(values))[::-1]
        for rank in {0, 1, n // 100, n // 3, n // 2, n - 1} & set(range(n)):
            assert _quantile.largest_magnitude(values, rank) == magnitudes[rank], (n, rank)


def test_largest_magnitude_where_the_sample_sees_none_of_it():
    """The large values lie between the sampled ones, or just there."""
    n = 65_536
    for at in (1, 0):
        values = np.full(n, 0.5, np.float32)
        values[at :: n // _quantile.SAMPLE] = np.arange(_quantile.SAMPLE) + 1
        magnitudes = np.sort(values)[::-1]
        for rank in (10, 2000, 2048, 5000):
            assert _quantile.largest_magnitude(values, rank) == magnitudes[rank]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_marks_and_fills_equal_numpy(dtype, simd_level):
    for n in LENGTHS:
        values = mixed(n, n + 1)
        outside = np.abs(values) > np.float32(0.01)
        codes, exact = np.arange(n).astype(dtype) % 200, np.empty(outside.sum(), np.float32)
        expected = np.where(outside, 200, codes)
        _quantile.mark(values, 0.01, 200, codes, exact)
        assert np.array_equal(codes, expected) and exact.tobytes() == values[outside].tobytes(), n
        out = np.zeros(n, np.float32)
        assert _quantile.fill(codes, 200, exact, out)
        assert out.tobytes() == np.where(outside, values, np.float32(0)).tobytes()
        assert not _quantile.fill(codes, 200, np.append(exact, np.float32(1)), out)
        assert len(exact) == 0 or not _quantile.fill(codes, 200, exact[1:], out)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lookup_equals_numpy(dtype, simd_level):
    for n in LENGTHS:
        for size in (1, 17, 256):
            table, out = gaussian(size), np.full(n + 1, 9, np.float32)
            codes = np.random.default_rng(n).integers(0, size, n).astype(dtype)
            assert _quantile.lookup(codes, table, out) and np.array_equal(out[:n], table[codes]) and out[n] == 9
            if n and size > 1:
                codes[n // 3] = size - 1
                assert not _quantile.lookup(codes, table[: size - 1], out)
                assert not _quantile.lookup(codes, table[:0], out)
    out = np.empty(65536, np.float32)
    assert _quantile.lookup(np.arange(65536).astype(np.uint16), gaussian(65536), out) and np.array_equal(out, gaussian(65536))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sums_equal_numpy(dtype):
    """Even and odd positions are added apart."""
    values, codes = heavy_tail(5001), np.random.default_rng(0).integers(0, 17, 5001).astype(dtype)
    sums, counts = _quantile.sums(values, codes, 20)
    halves = [np.bincount(codes[i::2], values[i::2].astype(np.float64), 20) for i in (0, 1)]
    assert np.array_equal(sums, halves[0] + halves[1]) and np.array_equal(counts, np.bincount(codes, minlength=20))


def test_kernels_refuse_what_would_not_fit():
    with pytest.raises(ValueError, match="room for 3"):
        _quantile.assign(gaussian(3), gaussian(0), np.empty(2, np.uint16))
    with pytest.raises(ValueError, match="65535"):
        _quantile.assign(gaussian(3), np.arange(65536, dtype=np.float32), np.empty(3, np.uint16))
    with pytest.raises(ValueError, match="room for 3"):
        _quantile.lookup(np.zeros(3, np.uint16), gaussian(1), np.empty(2, np.float32))
    with pytest.raises(ValueError, match="255 splits"):
        _quantile.assign(gaussian(3), np.arange(256, dtype=np.float32), np.empty(3, np.uint8))
    with pytest.raises(ValueError, match="room for 3"):
        _quantile.mark(gaussian(3), 0.0, 1, np.empty(2, np.uint8), np.empty(3, np.float32))
    with pytest.raises(ValueError, match="room for 3"):
        _quantile.fill(np.empty(3, np.uint8), 1, np.empty(3, np.float32), np.empty(2, np.float32))
    with pytest.raises(ValueError, match="rank in"):
        _quantile.largest_magnitude(gaussian(3), 3)
    with pytest.raises(ValueError, match="at least one"):
        _quantile.survey(gaussian(0))


# The whole coder against NumPy


def reference(values, q, center, signs):
    """(codes, centers) with exact quantiles, straight from the definition, for values without zeros."""

    def cut(part, parts):
        return [np.sort(part)[-(-j * len(part) // parts) - 1] for j in range(1, parts)] if len(part) else []

    below, above = values[values < 0], values[values > 0]
    both = len(below) > 0 and len(above) > 0
    if signs == "joint":
        splits = cut(values, q - both)
    else:
        share = min(max(round(q * len(below) / len(values)), 1), q - 1) if both else q * (len(below) > 0)
        splits = cut(below, share) + cut(above, q - share)
    splits = np.unique(np.array(splits + [0] * both, np.float32))
    splits = splits[(splits > values.min()) & (splits <= values.max())]
    codes = np.searchsorted(splits, values, side="right")
    edges = [np.float64(x) for x in (values.min(), *splits, values.max())]
    centers = []
    for i, (low, high) in enumerate(itertools.pairwise(edges)):
        members = values[codes == i].astype(np.float64)
        centers.append(members.sum() / len(members) if center == "mean" and len(members) else (low + high) / 2)
    return codes, np.array(centers).astype(np.float32)


@pytest.mark.parametrize("q", [2, 3, 5, 17, 256, 1000])
@pytest.mark.parametrize("center", ["midpoint", "mean"])
@pytest.mark.parametrize("signs", ["joint", "split"])
def test_payload_equals_the_definition(q, center, signs):
    cases = [heavy_tail(3000), -np.abs(gaussian(500)), np.abs(gaussian(500)), np.repeat(gaussian(9), 40), heavy_tail(2), heavy_tail(1)]
    coder = gw.values(f'quantile(buckets={q}, center={center}, signs={signs}, sketch="exact")')
    for values in cases:
        codes, centers = reference(values, q, center, signs)
        payload = coder.encode(values, None, STEP)
        at = coder.tables_nbytes(payload, len(values))
        assert at % 8 == 0 and payload[:8].view("<u4").tolist() == [len(centers), 0] and len(centers) <= q
        assert payload[8 : 8 + 4 * len(centers)].tobytes() == centers.tobytes() and not payload[8 + 4 * len(centers) : at].any()
        bits, found = bits_of(payload[at:], len(centers))
        assert len(payload) == at + -(-len(values) * bits // 8)
        assert np.array_equal(found[: len(values)], codes)
        assert np.array_equal(coder.decode(payload, None, STEP, len(values)), centers[codes])


def test_256_buckets_are_one_byte_each():
    values = gaussian(100_000)
    payload = gw.values("quantile").encode(values, None, STEP)
    assert payload[:4].view("<u4")[0] == 256 and len(payload) == 8 + 4 * 256 + 100_000


# Guarantees


@pytest.mark.parametrize("make", [gaussian, heavy_tail, lambda n: np.abs(heavy_tail(n)), lambda n: -np.abs(gaussian(n))])
@pytest.mark.parametrize("q", [4, 16, 256])
def test_error_bound_of_equal_mass_buckets(make, q):
    """Σ(g − ĝ)² ≤ (d / 4q)(φ²_min + φ²_max), midpoints of exact quantiles; q − 1 for q where zero cuts one of q − 1 equal parts."""
    values = make(60_000)
    decoded = round_trip(f'quantile(buckets={q}, sketch="exact")', values).astype(np.float64)
    parts = q - (values.min() < 0 < values.max())
    bound = -(-len(values) // parts) / 4 * (float(values.min()) ** 2 + float(values.max()) ** 2)
    assert ((values - decoded) ** 2).sum() <= bound


@pytest.mark.parametrize("sketch", ["histogram", "gk(epsilon=0.001)", "kll(k=200)"])
@pytest.mark.parametrize("make", [gaussian, heavy_tail, lambda n: np.abs(heavy_tail(n)), lambda n: -np.abs(gaussian(n))])
@pytest.mark.parametrize("q", [4, 16, 256])
def test_error_bound_of_approximate_sketches(sketch, make, q):
    """The same with buckets that may be larger by 2 · rank_error · d."""
    values = make(60_000)
    error = gw.sketch(sketch).rank_error
    decoded = round_trip(f'quantile(buckets={q}, sketch="{sketch}")', values).astype(np.float64)
    parts = q - (values.min() < 0 < values.max())
    largest = -(-len(values) // parts) + 2 * error * len(values)
    assert ((values - decoded) ** 2).sum() <= largest / 4 * (float(values.min()) ** 2 + float(values.max()) ** 2)


def test_error_bound_as_published():
    """Gaussian values of both signs, the default coder: far inside (d / 4q)(φ²_min + φ²_max)."""
    values = gaussian(60_000)
    bound = len(values) / (4 * 256) * (float(values.min()) ** 2 + float(values.max()) ** 2)
    assert ((values - round_trip("quantile", values).astype(np.float64)) ** 2).sum() <= bound / 2


@pytest.mark.parametrize("sketch", ["histogram", "gk(epsilon=0.001)", "exact"])
@pytest.mark.parametrize("make", [gaussian, heavy_tail])
def test_buckets_have_equal_mass_up_to_the_sketch(sketch, make):
    values, error = make(100_000), gw.sketch(sketch).rank_error
    payload = gw.values(f'quantile(sketch="{sketch}")').encode(values, None, STEP)
    sizes = np.bincount(payload[8 + 4 * 256 :], minlength=256) / len(values)
    negative = (payload[8 : 8 + 4 * 256].view("<f4") < 0).sum()
    sizes[[negative - 1, negative]] = 1 / 255  # the two that zero cuts out of one
    assert np.abs(sizes - 1 / 255).max() <= 2 * error + 2 / len(values)


# The exact tail


def definition_of_tail(values, share):
    """Which values are exact: magnitude above that of the (k + 1)-th largest, k = ⌊share · d⌋."""
    magnitudes = np.sort(np.abs(values))[::-1]
    return np.abs(values) > magnitudes[int(share * len(values))]


@pytest.mark.parametrize("q", [3, 17, 255, 256, 257, 1000])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 0.5])
@pytest.mark.parametrize("coding", ["fixed", "huffman"])
def test_payload_with_an_exact_tail(q, share, coding, simd_level):
    """The exact values are those of the definition, in order; the others are coded as if alone, with one bucket less."""
    spec = f'center=mean, sketch="exact", coding={coding}'
    coder, alone = gw.values(f"quantile(buckets={q}, exact_tail={share}, {spec})"), gw.values(f"quantile(buckets={q - 1}, {spec})")
    for values in (heavy_tail(3000), mixed(900), np.repeat(gaussian(9), 40), heavy_tail(1), np.full(50, 2.5, np.float32)):
        tail = definition_of_tail(values, share)
        payload = coder.encode(values, None, STEP)
        at = coder.tables_nbytes(payload, len(values))
        buckets, exact = payload[:8].view("<u4").tolist()
        assert exact == tail.sum() <= share * len(values) and buckets <= q - 1 and at % 8 == 0
        assert payload[at : at + 4 * exact].tobytes() == values[tail].tobytes()
        decoded = coder.decode(payload, None, STEP, len(values))
        assert decoded[tail].tobytes() == values[tail].tobytes()
        if q > 3:
            rest = alone.decode(alone.encode(values[~tail], None, STEP), None, STEP, int((~tail).sum()))
            assert np.allclose(decoded[~tail], rest, rtol=1e-6, atol=0)


def test_ties_at_the_border_are_quantised():
    values = np.array([5, -5, 3, 3, 3, -3, 1, 1, 1, 1], np.float32)
    payload = gw.values("quantile(exact_tail=0.4)").encode(values, None, STEP)
    assert payload[4:8].view("<u4")[0] == 2
    assert gw.values("quantile(exact_tail=0.4)").encode(np.ones(1000, np.float32), None, STEP)[4] == 0


def test_one_percent_of_a_heavy_tail():
    """±lognormal(−9, 2.5): vNMSE of the order of 1e-4 (0.9 without the tail) at 1.04 bytes per value, no worse than with exact splits."""
    errors = {}
    for sketch in ("histogram", "exact"):
        for seed in range(5):
            values = heavy_tail(200_000, seed)
            coder = gw.values(f"quantile(exact_tail=0.01, center=mean, sketch={sketch})")
            payload = coder.encode(values, None, STEP)
            assert len(payload) <= 8 + 4 * 256 + 1.04 * len(values)
            decoded = coder.decode(payload, None, STEP, len(values)).astype(np.float64)
            errors.setdefault(sketch, []).append(((values - decoded) ** 2).sum() / (values.astype(np.float64) ** 2).sum())
    assert max(errors["histogram"]) < 3e-4
    assert np.allclose(errors["histogram"], errors["exact"], rtol=0.05)


def test_huffman_shrinks_skewed_codes_and_says_the_same():
    values = np.where(np.random.default_rng(0).random(20_000) < 0.9, 1, gaussian(20_000)).astype(np.float32)
    fixed, huffman = (gw.values(f"quantile(coding={coding})") for coding in ("fixed", "huffman"))
    packed = huffman.encode(values, None, STEP)
    assert len(packed) < 0.4 * len(fixed.encode(values, None, STEP))
    assert np.array_equal(huffman.decode(packed, None, STEP, 20_000), round_trip("quantile", values))


@pytest.mark.parametrize("arguments", ["", "center=mean", "exact_tail=0.03, center=mean", "buckets=20", "buckets=900", "signs=split"])
def test_levels_write_equal_bytes(arguments):
    coder = gw.values(f"quantile({arguments})")
    for n in (1, 15, 300, 30_001):
        values, payloads = mixed(n, n), []
        for level in simd.levels():
            before = simd.use(level)
            payloads.append(bytes(coder.encode(values, None, STEP)))
            decoded = coder.decode(payloads[0], None, STEP, n)
            simd.use(before)
            assert payloads[-1] == payloads[0] and decoded.tobytes() == coder.decode(payloads[0], None, STEP, n).tobytes()


@pytest.mark.parametrize("signs", ["joint", "split"])
@pytest.mark.parametrize("make", [gaussian, heavy_tail])
def test_means_beat_midpoints_and_more_buckets_beat_fewer(make, signs):
    values = make(50_000)

    def vnmse(q, center):
        decoded = round_trip(f"quantile(buckets={q}, center={center}, signs={signs})", values).astype(np.float64)
        return ((values - decoded) ** 2).sum() / (values.astype(np.float64) ** 2).sum()

    assert vnmse(256, "mean") < vnmse(256, "midpoint")
    assert vnmse(256, "mean") < vnmse(16, "mean") < 1


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(finite32, min_size=1, max_size=80),
    q=st.sampled_from([2, 3, 4, 7, 256, 65536]),
    center=st.sampled_from(["midpoint", "mean"]),
    signs=st.sampled_from(["joint", "split"]),
    sketch=st.sampled_from(["kll(k=8)", "gk(epsilon=0.2)", "exact", "histogram"]),
    exact_tail=st.sampled_from([0, 0.1, 0.5]),
)
def test_no_value_changes_sign_or_leaves_the_range(values, q, center, signs, sketch, exact_tail):
    values, q = np.array(values, np.float32), max(q, 3 if exact_tail else 2)
    coder = gw.values(f'quantile(buckets={q}, center={center}, signs={signs}, sketch="{sketch}", exact_tail={exact_tail})')
    payload = coder.encode(values, None, STEP)
    decoded = coder.decode(payload, None, STEP, len(values))
    assert decoded.dtype == np.float32 and np.isfinite(decoded).all()
    zero = values == 0
    assert (np.sign(decoded) * np.sign(values) >= 0)[~zero].all()
    if q > 2 + (exact_tail > 0):
        assert not decoded[zero].any()
    assert values.min() <= decoded.min() and decoded.max() <= values.max()
    assert payload[:4].view("<u4")[0] <= q


@pytest.mark.parametrize("signs", ["joint", "split"])
@pytest.mark.parametrize("q", [2, 3, 256, 65536])
def test_special_values_are_exact_where_they_can_be(signs, q):
    spec = f"quantile(buckets={q}, signs={signs})"
    for constant in (1.5, -1.5, 0.0, -0.0, TINY, -TINY, 3.4e38, -3.4e38):
        values = np.full(1000, constant, np.float32)
        assert np.array_equal(round_trip(spec, values), values)
    for one in (-3.0, 0.0, 7.0):
        assert round_trip(spec, np.array([one], np.float32)).tolist() == [one]
    assert round_trip(spec, np.empty(0, np.float32)).shape == (0,)
    extremes = np.array([3.4e38, -3.4e38] * 5, np.float32)  # their sum overflows float32
    assert np.isfinite(round_trip(f"quantile(center=mean, signs={signs})", extremes)).all()
    subnormal = np.arange(-40, 41).astype(np.float32) * TINY
    if q > 80:
        assert np.array_equal(round_trip(f'quantile(buckets={q}, center=mean, signs={signs}, sketch="exact")', subnormal), subnormal)


def test_zeros_do_not_use_up_buckets():
    """90% zeros: they stay zero, and the other values get q − 1 buckets as if alone."""
    values = gaussian(50_000)
    values[np.random.default_rng(1).random(50_000) < 0.9] = 0
    decoded = round_trip("quantile(center=mean)", values)
    assert not decoded[values == 0].any()
    assert np.square(values - decoded).sum() < 2e-3 * np.square(values).sum()


def test_two_buckets_put_zeros_with_the_positive_values():
    values = np.array([-1, 0, 3], np.float32)
    assert round_trip("quantile(buckets=2)", values).tolist() == [-0.5, 1.5, 1.5]


def test_equal_steps_give_equal_bytes_and_other_steps_other_coins():
    values = heavy_tail(30_000)
    coder = gw.values("quantile(sketch=kll)")
    assert bytes(coder.encode(values, None, STEP)) == bytes(coder.encode(values.copy(), None, gw.Step(3, seed=5, rank=1)))
    assert bytes(coder.encode(values, None, STEP)) != bytes(coder.encode(values, None, gw.Step(4, seed=5, rank=1)))
    fixed = gw.values("quantile")
    assert bytes(fixed.encode(values, None, STEP)) == bytes(fixed.encode(values, None, gw.Step(4)))
    seeded = gw.values('quantile(sketch="kll(k=200, seed=7)")')
    assert bytes(seeded.encode(values, None, STEP)) == bytes(seeded.encode(values, None, gw.Step(4)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_values_that_are_not_finite(bad):
    for spec in ("quantile", "quantile(exact_tail=0.5)"):
        with pytest.raises(DataError, match="position 2"):
            gw.values(spec).encode(np.array([1, 2, bad], np.float32), None, STEP)


@pytest.mark.parametrize(
    "arguments",
    [
        "exact_tail=-0.1",
        "exact_tail=0.6",
        "exact_tail=all",
        "exact_tail=nan",
        "exact_tail=0.1, buckets=2",
        "coding=zip",
        "buckets=1",
        "buckets=65537",
        "buckets=1.5",
        "center=median",
        "signs=none",
        'sketch="nothing"',
        'sketch="kll(k=1)"',
    ],
)
def test_refuses_bad_options(arguments):
    with pytest.raises(ConfigError):
        gw.values(f"quantile({arguments})")


def test_spec_round_trip():
    coder = gw.values('quantile(buckets=16, sketch="gk(epsilon=0.01)")')
    assert gw.values(coder.spec) == coder and gw.values("quantile").spec == "quantile"


# Hostile payloads


def decodes_or_refuses(coder, payload, nnz):
    try:
        values = coder.decode(payload, None, STEP, nnz)
    except CorruptMessage:
        return False
    assert values.shape == (nnz,) and np.isfinite(values).all()
    return True


@pytest.mark.parametrize("q", [2, 5, 256, 300])
def test_hostile_payloads(q):
    coder, rng = gw.values(f"quantile(buckets={q})"), np.random.default_rng(q)
    good = bytes(coder.encode(heavy_tail(200), None, STEP))
    assert not any(decodes_or_refuses(coder, good[:n], 200) for n in range(len(good)))
    assert not any(decodes_or_refuses(coder, good, n) for n in (0, 1, 100, 500, 2**32))
    assert not decodes_or_refuses(coder, good + b"\0", 200)
    for i in range(8 * min(len(good), 200)):
        flipped = bytearray(good)
        flipped[i // 8] ^= 1 << i % 8
        decodes_or_refuses(coder, bytes(flipped), 200)
    for n in range(60):
        decodes_or_refuses(coder, rng.bytes(n), 8)


@pytest.mark.parametrize("arguments", ["exact_tail=0.1", "exact_tail=0.1, coding=huffman, buckets=40", "coding=huffman"])
def test_hostile_payloads_with_a_tail(arguments, simd_level):
    coder, rng = gw.values(f"quantile({arguments})"), np.random.default_rng(1)
    good = bytes(coder.encode(heavy_tail(200), None, STEP))
    assert not any(decodes_or_refuses(coder, good[:n], 200) for n in range(len(good)))
    assert not any(decodes_or_refuses(coder, good, n) for n in (0, 1, 100, 500, 2**32))
    for i in range(8 * min(len(good), 150)):
        flipped = bytearray(good)
        flipped[i // 8] ^= 1 << i % 8
        decodes_or_refuses(coder, bytes(flipped), 200)
    for _ in range(300):
        at, flipped = int(rng.integers(8, len(good))), bytearray(good)
        flipped[at] = int(rng.integers(256))
        decodes_or_refuses(coder, bytes(flipped), 200)


def test_exact_values_must_be_as_many_as_their_codes_and_finite():
    coder = gw.values("quantile(buckets=200, exact_tail=0.5)")
    head, table = np.array([129, 1], "<u4").tobytes(), np.zeros(130, "<f4").tobytes()
    seven = np.array([7], "<f4").tobytes()
    assert coder.decode(head + table[:516] + bytes(4) + seven + bytes([0, 129, 1]), None, STEP, 3).tolist() == [0, 7, 0]
    for codes in ([0, 0, 0], [129, 129, 0]):
        with pytest.raises(CorruptMessage, match="1 codes for exact values"):
            coder.decode(head + table + seven + bytes(codes), None, STEP, 3)
    with pytest.raises(CorruptMessage, match="finite"):
        coder.decode(head + table + np.array([np.nan], "<f4").tobytes() + bytes([0, 129, 1]), None, STEP, 3)
    with pytest.raises(CorruptMessage, match="header"):
        gw.values("quantile").decode(head + table + seven + bytes(3), None, STEP, 3)


def test_hostile_headers_and_codes():
    coder = gw.values("quantile(buckets=5)")
    header = np.array([5, 0], "<u4").tobytes()
    table = np.zeros(6, "<f4")
    codes = bytes([0b00_001_000, 0b0])  # 0, 1, 0: 9 bits
    assert coder.decode(header + table.tobytes() + codes, None, STEP, 3).tolist() == [0, 0, 0]
    with pytest.raises(CorruptMessage, match="below 5"):
        coder.decode(header + table.tobytes() + bytes([7, 0]), None, STEP, 3)
    with pytest.raises(CorruptMessage, match="header"):
        coder.decode(np.array([6, 0], "<u4").tobytes() + bytes(100), None, STEP, 3)
    with pytest.raises(CorruptMessage, match="header"):
        coder.decode(np.array([5, 1], "<u4").tobytes() + table.tobytes() + codes, None, STEP, 3)
    table[2] = np.inf
    with pytest.raises(CorruptMessage, match="finite"):
        coder.decode(header + table.tobytes() + codes, None, STEP, 3)


def test_shares_use_whole_groups():
    """Both signs together need no more than `groups` groups of ⌈q / groups⌉ buckets, and no more than q buckets."""
    for q, groups in ((256, 8), (16, 8), (9, 4), (100, 7), (65536, 255), (4, 2), (255, 8)):
        width = -(-q // groups)
        for below in (0, 1, 10, 500, 990, 1000):
            for above in (0, 1, 10, 500, 1000):
                for zero in (0, 1):
                    if below + above == 0:
                        continue
                    negative, positive = _buckets._shares(q, below, above, zero, groups)
                    assert negative + positive + zero <= q
                    assert -(-negative // width) + -(-(positive + zero) // width if above else -zero // width) <= groups
                    assert (negative > 0) == (below > 0) and (positive > 0 or not above)

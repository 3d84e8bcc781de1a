"""quantile: splits, buckets, bound and bytes, against NumPy and the exact sketch."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire import ConfigError, CorruptMessage, DataError
from gradwire._ext import quantile as _quantile
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


@pytest.mark.parametrize("n", [0, 1, 1000, _quantile.TABLE_FROM - 1, _quantile.TABLE_FROM, 40_000])
@pytest.mark.parametrize("m", [0, 1, 2, 7, 255, 65535])
def test_assign_equals_searchsorted(n, m):
    """With and without the table; splits that crowd in one cell of 2¹⁶ integers; values that are splits; ±0, subnormals."""
    rng = np.random.default_rng(n + m)
    crowded = (np.float32(1).view(np.uint32) + rng.integers(0, 2000, m // 2).astype(np.uint32)).view(np.float32)
    splits = np.unique(np.concatenate([heavy_tail(m - m // 2, m), crowded]))
    edges = np.array([0.0, -0.0, TINY, -TINY, 3.4e38, -3.4e38], np.float32)
    values = np.resize(np.concatenate([rng.permutation(np.concatenate([heavy_tail(n), splits, edges]))]), n).astype(np.float32)
    codes = np.full(n + 1, 9999, np.uint16)
    _quantile.assign(values, splits, codes)
    assert np.array_equal(codes[:n], np.searchsorted(splits, values, side="right").astype(np.uint16))
    assert codes[n] == 9999


def test_sums_and_lookup_equal_numpy():
    values, codes = heavy_tail(5000), np.random.default_rng(0).integers(0, 17, 5000).astype(np.uint16)
    sums, counts = _quantile.sums(values, codes, 20)
    assert np.array_equal(sums, np.bincount(codes, values.astype(np.float64), 20)) and np.array_equal(
        counts, np.bincount(codes, minlength=20)
    )
    table, out = gaussian(17), np.empty(5000, np.float32)
    assert _quantile.lookup(codes, table, out) and np.array_equal(out, table[codes])
    before = out.copy()
    assert not _quantile.lookup(codes, table[:16], out) and np.array_equal(out, before)
    assert not _quantile.lookup(codes, table[:0], out)
    assert _quantile.lookup(codes[:0], table[:0], out)


def test_kernels_refuse_what_would_not_fit():
    with pytest.raises(ValueError, match="room for 3"):
        _quantile.assign(gaussian(3), gaussian(0), np.empty(2, np.uint16))
    with pytest.raises(ValueError, match="65535"):
        _quantile.assign(gaussian(3), np.arange(65536, dtype=np.float32), np.empty(3, np.uint16))
    with pytest.raises(ValueError, match="room for 3"):
        _quantile.lookup(np.zeros(3, np.uint16), gaussian(1), np.empty(2, np.float32))


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


def test_error_bound_as_published():
    """Gaussian values of both signs, the default coder: far inside (d / 4q)(φ²_min + φ²_max)."""
    values = gaussian(60_000)
    bound = len(values) / (4 * 256) * (float(values.min()) ** 2 + float(values.max()) ** 2)
    assert ((values - round_trip("quantile", values).astype(np.float64)) ** 2).sum() <= bound / 2


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
    sketch=st.sampled_from(["kll(k=8)", "gk(epsilon=0.2)", "exact"]),
)
def test_no_value_changes_sign_or_leaves_the_range(values, q, center, signs, sketch):
    values = np.array(values, np.float32)
    coder = gw.values(f'quantile(buckets={q}, center={center}, signs={signs}, sketch="{sketch}")')
    payload = coder.encode(values, None, STEP)
    decoded = coder.decode(payload, None, STEP, len(values))
    assert decoded.dtype == np.float32 and np.isfinite(decoded).all()
    zero = values == 0
    assert (np.sign(decoded) * np.sign(values) >= 0)[~zero].all()
    if q > 2:
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
    coder = gw.values("quantile")
    assert bytes(coder.encode(values, None, STEP)) == bytes(coder.encode(values.copy(), None, gw.Step(3, seed=5, rank=1)))
    assert bytes(coder.encode(values, None, STEP)) != bytes(coder.encode(values, None, gw.Step(4, seed=5, rank=1)))
    seeded = gw.values('quantile(sketch="kll(k=200, seed=7)")')
    assert bytes(seeded.encode(values, None, STEP)) == bytes(seeded.encode(values, None, gw.Step(4)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_values_that_are_not_finite(bad):
    with pytest.raises(DataError, match="position 2"):
        gw.values("quantile").encode(np.array([1, 2, bad], np.float32), None, STEP)


@pytest.mark.parametrize(
    "arguments", ["buckets=1", "buckets=65537", "buckets=1.5", "center=median", "signs=none", 'sketch="nothing"', 'sketch="kll(k=1)"']
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

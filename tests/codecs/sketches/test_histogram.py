"""histogram: rank error at most refine, always; the compiled core equals a trie of Python dictionaries."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire as gw
from gradwire import CorruptMessage
from gradwire._ext import histogram as _histogram

WIDTHS = 16, 20, 24, 32
FRACTIONS = np.linspace(0, 1, 401)


def ordered(values):
    """order.h: uint32 that compare like the floats, −0 as +0."""
    bits = (np.asarray(values, np.float32) + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | 0x80000000).astype(np.uint32)


def floats(view):
    """The inverse of `ordered`."""
    view = np.asarray(view, np.uint32)
    return np.where(view >> 31, view ^ np.uint32(0x80000000), ~view).astype(np.uint32).view(np.float32)


class Reference:
    """histogram.h on dictionaries: levels[i] counts by the top 16, 20, 24 and 32 bits, open[i] are the opened ones of the first three."""

    def __init__(self, refine):
        self.refine, self.n, self.buffer = refine, 0, []
        self.levels, self.open = [Counter() for _ in WIDTHS], [set() for _ in WIDTHS[:3]]

    def limit(self, level):
        whole = self.n * int(self.refine * 2**32) >> 32
        return (whole >> (level > 0)) if level < 3 else float("inf")

    def update(self, values):
        if len(self.buffer) + len(values) <= _histogram.BUFFER:
            self.buffer += values.tolist()
        else:
            self.absorb(ordered(values).tolist())
            self.flush()

    def flush(self):
        batch, self.buffer = ordered(self.buffer).tolist(), []
        self.absorb(batch)

    def absorb(self, batch):
        self.n += len(batch)
        for level, width in enumerate(WIDTHS):
            below = set()
            for index, count in Counter(u >> (32 - width) for u in batch).items():
                if level < 3 and (index in self.open[level] or self.levels[level][index] + count > self.limit(level)):
                    self.open[level].add(index)
                    below.add(index)
                else:
                    self.levels[level][index] += count
            batch = [u for u in batch if u >> (32 - width) in below]
        self.prune_if_large()

    def prune_if_large(self):
        leaves = len(self.open[2])
        if max(len(self.open[0]) + len(self.open[1]), leaves) + 1 > 4 / self.refine:
            self.prune()

    def merge(self, other):
        self.n += other.n
        for mine, theirs in zip(self.levels + self.open, other.levels + other.open):
            mine.update(theirs)
        self.prune_if_large()
        if other.buffer:
            self.update(np.array(other.buffer, np.float32))

    def prune(self):
        for level in (2, 1, 0):
            for index in list(self.open[level]):
                if level < 2 and any(child >> 4 == index for child in self.open[level + 1]):
                    below = [c for deeper in range(level + 1, 4) for c in self.inside(deeper, level, index)]
                else:
                    below = self.inside(level + 1, level, index)
                if self.levels[level][index] + sum(count for _, _, count in below) <= self.limit(level):
                    for deeper, child, count in below:
                        self.levels[level][index] += count
                        del self.levels[deeper][child]
                    self.open[level].discard(index)
                    for deeper in range(level + 1, 3):
                        shift = WIDTHS[deeper] - WIDTHS[level]
                        self.open[deeper] = {child for child in self.open[deeper] if child >> shift != index}

    def inside(self, deeper, level, index):
        shift = WIDTHS[deeper] - WIDTHS[level]
        return [(deeper, child, count) for child, count in self.levels[deeper].items() if child >> shift == index]


def counts_of(sketch):
    """The four dictionaries that bytes hold: varints of gaps and counts, read by Python."""
    sizes, data = sketch._core.write()
    found, at = [], 0

    def varint():
        nonlocal at
        x = shift = 0
        while True:
            byte = int(data[at])
            at += 1
            x |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return x

    for size in sizes.tolist():
        index, level = -1, {}
        for _ in range(size):
            index += varint() + 1
            level[index] = varint() + 1
        found.append(level)
    assert at == len(data)
    return found


def assert_same(sketch, reference):
    assert sketch._core.binned == reference.n
    assert counts_of(sketch) == [{k: v for k, v in level.items() if v} for level in reference.levels]


def worst(sketch, items, fractions=FRACTIONS):
    """Largest distance, in items, of any answer from the exact ranks: of quantiles, and of ranks around all items."""
    exact, n = np.sort(np.asarray(items, np.float32) + np.float32(0)), len(items)
    wanted = np.maximum(np.ceil(np.round(fractions * n, 6)), 1).astype(int)
    answers = sketch.quantiles(wanted / n)
    assert (answers[1:] >= answers[:-1]).all() and exact[0] <= answers[0] and answers[-1] <= exact[-1]
    low, high = np.searchsorted(exact, answers, "left"), np.searchsorted(exact, answers, "right")
    low = np.where(high > low, low + 1, high)
    asked = np.unique(np.concatenate([exact, np.nextafter(exact, np.float32(-1e30)), np.nextafter(exact, np.float32(1e30))]))
    ranks = sketch.rank(asked)
    assert (np.diff(ranks) >= 0).all()
    off = np.abs(ranks * n - np.searchsorted(exact, asked, "right")).max()
    return max(np.maximum(low - wanted, wanted - high).max(), off)


def within(sketch, items):
    return worst(sketch, items) <= sketch.rank_error * len(items) + 1e-6


# The core


@pytest.mark.parametrize("refine", [0.001, 0.0002, 0.02])
def test_core_equals_the_reference(refine, streams, simd_level):
    rng = np.random.default_rng(1)
    for name in ("random", "heavy tail", "few values", "mostly zero", "subnormal"):
        items = streams(60_000)[name]
        sketch, reference = gw.sketch(f"histogram(refine={refine})"), Reference(refine)
        for part in np.split(items, [1, 300, 20_000, *np.sort(rng.integers(20_000, 60_000, 3))]):
            sketch.update(part)
            reference.update(part)
            assert_same(sketch, reference)
        sketch._core.flush(), reference.flush()
        assert_same(sketch, reference)


@pytest.mark.parametrize("n", [*range(1, 70), 255, 256, 257, 511, 1000])
def test_every_length_of_a_batch(n, simd_level):
    rng = np.random.default_rng(n)
    items = np.concatenate([rng.normal(size=n), -np.zeros(n // 3), np.ones(n // 2)])[:n].astype(np.float32)
    sketch, reference = gw.sketch("histogram(refine=0.1)").update(items), Reference(0.1)
    sketch._core.flush()
    reference.absorb(ordered(items).tolist())
    assert_same(sketch, reference)
    assert sketch._core.range == (items.min(), items.max())


def test_merge_and_prune_equal_the_reference(streams):
    sketch, reference = gw.sketch("histogram(refine=0.004)"), Reference(0.004)
    for seed, (n, name) in enumerate([(30_000, "random"), (100, "sorted"), (50_000, "few values"), (20_000, "reversed"), (9000, "random")]):
        items, other = streams(n, seed)[name], Reference(0.004)
        other.update(items)
        reference.merge(other)
        sketch.merge(gw.sketch("histogram(refine=0.004)").update(items))
        assert_same(sketch, reference)
    reference.flush(), reference.prune()
    assert_same(sketch.prune(), reference)


def test_nodes_are_few_however_many_batches(streams):
    """Counts stay below their limits, and so few bins are open that memory is bounded."""
    sketch = gw.sketch("histogram(refine=0.01)")
    for name, items in streams(40_000).items():
        for part in np.array_split(items, 5):
            sketch.update(part)._core.flush()
            assert sketch._core.nodes <= 8 / 0.01, name
            bins, upper, lower, _ = counts_of(sketch)
            limit = 0.01 * sketch.count
            assert max(bins.values(), default=0) <= limit and max([*upper.values(), *lower.values()], default=0) <= limit / 2
    assert sketch.prune()._core.nodes <= 5 / 0.01


def test_limits_of_parts_fit_that_of_the_whole():
    """A cell filled to its limit in each of two parts: the merged sketch is still a valid one, whatever the rounding of refine."""
    for refine in (0.1, 0.3, 0.07, 1 / 3, 0.0623, np.nextafter(0.25, 0)):
        for n in range(1, 60, 7):
            parts = []
            for size in (n, 2 * n + 1):
                part = gw.sketch(f"histogram(refine={float(refine)!r})")
                full = size * int(refine * 2**32) >> 32
                parts.append(part.update(floats(np.r_[np.full(full, 0x90000000), 0x80000000 + np.arange(size - full) * 0x10000])))
                part._core.flush()
            merged = parts[0].merge(parts[1])
            assert bytes(type(merged).from_bytes(bytes(merged))) == bytes(merged)


# The guarantee


def test_few_items_are_exact(streams):
    for name, items in streams(_histogram.BUFFER).items():
        sketch = gw.sketch("histogram")
        for part in np.array_split(items, 7):
            sketch.merge(gw.sketch("histogram").update(part))
        assert worst(sketch, items) <= 1e-6, name


@pytest.mark.parametrize("n", [17_000, 100_000])
def test_one_batch_is_within_half(n, streams, simd_level):
    for name, items in streams(n).items():
        sketch = gw.sketch("histogram").update(items)
        assert worst(sketch, items) <= sketch.rank_error * n / 2 + 1e-6, name


@pytest.mark.parametrize("batch", [1000, 7919])
def test_small_batches(batch, streams):
    for name, items in streams(60_000).items():
        sketch = gw.sketch("histogram")
        for at in range(0, len(items), batch):
            sketch.update(items[at : at + batch])
            if at % 3 == 0:
                sketch._core.flush()
        assert within(sketch, items), name


def one_bin(n, rng):
    """Items of one bin alone: 65,536 floats."""
    return floats(0xBF80_0000 + rng.integers(0, 1 << 16, n))


def patterns(n, rng):
    """Streams against the bits: bins just below their limit, ends of cells, bins that swell late, one bin after the other."""
    bins = (0x8000 + rng.integers(0, 1 << 14, n)) << 16
    round_numbers = np.concatenate([np.arange(1, 65), -np.arange(1, 65)])
    yield "one bin", one_bin(n, rng)
    yield "ends of cells", floats(bins + rng.choice([0, 0xFFFF, 0xFFF, 0x1000, 0xFF, 0x100], n))
    yield "full bins", floats((0x9000 + np.arange(n) % 990 << 16) + rng.integers(0, 1 << 16, n))
    yield "fullest bins", floats((0x9000 + np.arange(n) % 1001 << 16) + np.where(np.arange(n) < n // 2, 0xFFFF, 0))
    yield "negative round numbers", rng.choice(round_numbers, n).astype(np.float32)
    yield "swelling", floats(np.sort((0x9000 + (rng.random(n) ** 8 * 900).astype(int) << 16) + rng.integers(0, 1 << 16, n)))
    yield "first the top, then the bottom of a bin", floats(0x9000_0000 + np.where(np.arange(n) < n // 500, 0xFFFF, np.arange(n) % 256))
    yield "zeros of both signs", np.where(rng.random(n) < 0.5, -0.0, rng.choice([0, -1e-45, 1e-45], n)).astype(np.float32)
    yield "all exponents", floats(rng.integers(0x00800000, 0xFF800000, n))
    yield "two values", rng.choice(np.array([1.5, np.nextafter(np.float32(1.5), np.float32(2))], np.float32), n)


@pytest.mark.parametrize("parts", [1, 3, 40])
def test_bit_patterns(parts):
    """As batches, as merged parts, and as a tree of unequal parts pruned in between."""
    rng = np.random.default_rng(parts)
    for name, items in patterns(60_000, rng):
        cuts = np.sort(rng.integers(0, len(items), parts - 1))
        stream = gw.sketch("histogram")
        sketches = []
        for part in np.split(items, cuts):
            stream.update(part)._core.flush()
            sketches.append(gw.sketch("histogram").update(part))
            sketches[-1]._core.flush()
        assert within(stream, items), name
        while len(sketches) > 1:
            sketches = [a.merge(b).prune() for a, b in zip(sketches[::2], sketches[1::2])] + sketches[len(sketches) // 2 * 2 :]
        assert within(sketches[0], items), name
        assert within(gw.sketch("histogram").from_bytes(bytes(stream)), items), name


words = st.one_of(
    st.integers(0x00800000, 0xFF7FFFFF),
    st.integers(0xBF800000, 0xBF80FFFF),
    st.builds(lambda a, b, c: 0xBF800000 + (a << 12) + (b << 8) + c, st.integers(0, 2), st.sampled_from([0, 1, 15]), st.integers(0, 3)),
)


@settings(max_examples=150, deadline=None)
@given(
    batches=st.lists(
        st.tuples(st.sampled_from(["update", "merge", "prune"]), st.lists(words, min_size=1, max_size=40)), min_size=1, max_size=10
    ),
    refine=st.sampled_from([0.5, 0.3, 0.17, 0.1, 0.05]),
)
def test_error_is_at_most_refine_whatever_the_batches(batches, refine):
    spec = f"histogram(refine={refine})"
    sketch, items = gw.sketch(spec), np.empty(0, np.float32)
    for how, batch in batches:
        values = floats(batch)
        items = np.append(items, values)
        if how == "merge":
            other = gw.sketch(spec).update(values)
            other._core.flush()
            sketch.merge(other)
        else:
            sketch.update(values)
            sketch._core.flush()
        if how == "prune":
            sketch.prune()
        assert sketch.count == len(items)
        assert worst(sketch, items, np.arange(1, len(items) + 1) / len(items)) <= refine * len(items) + 1e-6


def test_an_adversary_that_sees_the_answers():
    """Each batch goes where the sketch is most wrong."""
    rng = np.random.default_rng(0)
    sketch, items = gw.sketch("histogram(refine=0.01)"), rng.normal(size=400).astype(np.float32)
    sketch.update(items)._core.flush()
    for _ in range(60):
        exact = np.sort(items)
        errors = np.abs(sketch.rank(exact) * len(items) - np.searchsorted(exact, exact, "right"))
        at = int(ordered(exact[errors.argmax()]))
        batch = floats(at + rng.integers(-(1 << rng.integers(2, 16)), 1 << rng.integers(2, 16), 200))
        sketch.update(batch)._core.flush()
        items = np.append(items, batch)
        assert within(sketch, items)


# Bytes


def test_bytes_are_sparse(streams):
    """Some 2 or 3 bytes for each count that is not 0; items as they are until there are bins."""
    items = streams(200_000)["heavy tail"]
    sketch = gw.sketch("histogram").update(items)
    assert len(bytes(sketch)) < 3.5 * len(sketch) + 100 < 60_000
    few = gw.sketch("histogram").update(items[:100])
    assert len(bytes(few)) == 48 + 400 and len(few) == 100
    assert len(bytes(gw.sketch("histogram").update(np.full(10**5, 3.0)))) < 60


def header(refine=0.01, count=20_000, least=1.0, most=1.0, levels=(0, 0, 0, 1)):
    return gw.codecs.sketches.histogram._HEADER.pack(b"GHIS", 0, refine, count, least, most, *levels)


def varint(x):
    return bytes([x & 127 | 128]) + varint(x >> 7) if x > 127 else bytes([x])


ONE = int(ordered([1.0])[0])
LEAF = varint(ONE) + varint(19_999)


def test_made_up_bytes():
    read = gw.sketch("histogram").from_bytes
    assert read(header() + LEAF).quantiles([0, 0.5, 1]).tolist() == [1, 1, 1]
    bad = {
        "sum": header(count=19_999) + LEAF,
        "limit of a bin": header(levels=(1, 0, 0, 0)) + varint(ONE >> 16) + varint(19_999),
        "limit of a cell": header(levels=(0, 1, 0, 1)) + varint(ONE >> 12) + varint(100) + varint(ONE) + varint(19_898),
        "index beyond the bins": header(levels=(1, 0, 0, 1)) + varint(1 << 16) + varint(9) + varint(ONE) + varint(19_989),
        "index beyond the cells": header(levels=(0, 1, 0, 1)) + varint(1 << 20) + varint(9) + varint(ONE) + varint(19_989),
        "index beyond the leaves": header() + varint(1 << 32) + varint(19_999),
        "gap that wraps": header(levels=(0, 0, 0, 2)) + varint(ONE) + varint(9_999) + varint(2**64 - 5) + varint(9_999),
        "endless varint": header() + b"\xff" * 30,
        "range": header(least=2.0, most=2.0) + LEAF,
        "upside down": header(least=1.0, most=0.5) + LEAF,
        "infinite": header(most=np.inf) + LEAF,
        "refine": header(refine=1e-5) + LEAF,
        "more bytes": header() + LEAF + b"\0",
        "missing": header(levels=(0, 0, 0, 2**31)) + LEAF,
        "too many items": header(count=16_385, levels=(0, 0, 0, 0), least=0, most=0) + bytes(4 * 16_385),
        "descending items": header(count=2, levels=(0, 0, 0, 0), least=0, most=0) + np.array([2, 1], "<f4").tobytes(),
        "no items": header(count=0, levels=(0, 0, 0, 1)) + LEAF,
    }
    for name, data in bad.items():
        with pytest.raises(CorruptMessage):
            read(data)
            pytest.fail(f"{name} was accepted")


def test_made_up_nodes_are_few():
    """Every leaf of its own node: refused at 2 / refine of them, however many are claimed."""
    leaves = b"".join(varint(ONE if i == 0 else 255) + varint(0) for i in range(20_000))
    with pytest.raises(CorruptMessage, match="limit"):
        gw.sketch("histogram").from_bytes(header(most=2.0, levels=(0, 0, 0, 20_000)) + leaves)


@pytest.mark.parametrize("refine", ["0", "0.0001", "0.6", "nan", "small", "true"])
def test_refuses_a_bad_refine(refine):
    with pytest.raises(gw.ConfigError, match="expected 0.0002 ≤ refine"):
        gw.sketch(f"histogram(refine={refine})")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_large_batch_that_is_not_finite_changes_nothing(bad, simd_level):
    items = np.random.default_rng(0).normal(size=30_000).astype(np.float32)
    sketch = gw.sketch("histogram").update(items)
    before = bytes(sketch)
    items[12_345] = bad
    with pytest.raises(gw.DataError, match="position 12345"):
        sketch.update(items)
    assert bytes(sketch) == before
    assert bytes(sketch.update(items[:0])) == before

"""The guarantees of all sketches together, against exact ranks and against Apache DataSketches' KLL on the same items.

kll is right with high probability only: of the runs of a test 99% may be asked for, over many questions together twice its error.
"""

import datasketches
import numpy as np
import pytest

import gradwire as gw

SPECS = ["exact", "gk(epsilon=0.002)", "histogram", "kll(k=200)"]
FRACTIONS = np.linspace(0, 1, 101)
N = 40_000


def gap_adversary(n, rng):
    """Items that go, batch by batch, into the middle of the gap between two neighbours (Cormode, Veselý, PODS 2020, in one branch)."""
    low, high, batches = 0, 1 << 31, []
    while sum(map(len, batches)) < n and high - low > 4:
        batches.append(rng.integers(low, high, 1500))
        inside = np.sort(batches[-1])
        at = np.diff(inside).argmax()
        low, high = (int(inside[at]) + 1, int(inside[at + 1])) if inside[at + 1] - inside[at] > 2 else (low, (low + high) // 2)
    codes = np.concatenate(batches)[:n].astype(np.uint32)
    bits = np.where(codes >> 30 & 1, codes & 0x3FFFFFFF, codes | 0x80000000).astype(np.uint32)
    return np.resize(bits.view(np.float32), n)


def zoom_in(n):
    """Two items to either side of the median, ever nearer to it."""
    i = np.arange(n)
    return np.where(i % 2, 1.0, -1.0) * (n - i)


def all_streams(streams):
    rng = np.random.default_rng(4)
    items = streams(N) | {
        "zoom in": zoom_in(N),
        "gap adversary": gap_adversary(N, rng),
        "powers of two": np.exp2(rng.integers(-140, 120, N)),
    }
    return {name: values.astype(np.float32) for name, values in items.items()}


def new(spec, seed):
    return gw.sketch(f"kll(k=200, seed={seed})" if spec.startswith("kll") else spec)


def single_stream(spec, items, rng):
    return new(spec, 0).update(items)


def odd_batches(spec, items, rng):
    sketch = new(spec, 1)
    for part in np.split(items, np.sort(rng.integers(0, len(items), 23))):
        sketch.update(part)
    return sketch


def unequal_parts(spec, items, rng):
    """One large part, many small ones, merged one after the other."""
    sketch = new(spec, 2)
    for i, part in enumerate(np.split(items, [25_000, 25_001, 25_010, 26_000, *range(26_100, len(items), 700)])):
        sketch.merge(new(spec, 10 + i).update(part))
    return sketch


def pruned_tree(spec, items, rng):
    """A tree of merges of unequal parts, pruned and sent as bytes in between."""
    cuts = np.sort(rng.integers(0, len(items), 30))
    sketches = [new(spec, 100 + i).update(part).prune() for i, part in enumerate(np.split(items, cuts))]
    while len(sketches) > 1:
        pairs = zip(sketches[::2], sketches[1::2])
        sketches = [type(a).from_bytes(bytes(a.merge(b).prune())) for a, b in pairs] + sketches[len(sketches) // 2 * 2 :]
    return sketches[0]


@pytest.mark.parametrize("build", [single_stream, odd_batches, unequal_parts, pruned_tree])
@pytest.mark.parametrize("spec", SPECS)
def test_every_answer_is_within_the_guarantee(spec, build, streams, errors):
    for name, items in all_streams(streams).items():
        sketch = build(spec, items, np.random.default_rng(len(name)))
        assert sketch.count == N, name
        slack = 1.5 if spec.startswith("kll") else 1
        assert errors(sketch, items) <= slack * sketch.rank_error + 1e-9, name


def observed(rank, items):
    """Mean and largest error of the ranks of 49 quantiles."""
    exact = np.sort(items)
    asked = exact[(np.arange(1, 50) * len(exact)) // 50]
    off = np.abs(np.array([rank(float(x)) for x in asked]) - np.searchsorted(exact, asked, "right") / len(exact))
    return off.mean(), off.max()


@pytest.mark.parametrize("stream", ["random", "sorted", "reversed", "heavy tail", "zoom in", "gap adversary", "few values"])
def test_against_datasketches(stream, streams):
    """kll's error does not depend on the order; DataSketches' KLL of equal k, on average of 32 runs, is no better but on sorted items,
    where it is luckier (measured: 0.65 to 0.9 of theirs, 1.2 and 1.3 on sorted ones; its random numbers cannot be seeded). gk and
    histogram err less on every run.
    """
    items = all_streams(streams)[stream]
    theirs, ours = [], []
    for seed in range(32):
        peer = datasketches.kll_floats_sketch(200)
        peer.update(items)
        theirs.append(observed(lambda x, peer=peer: peer.get_rank(x, True), items))
        ours.append(observed(gw.sketch(f"kll(k=200, seed={seed})").update(items).rank, items))
    bound = peer.normalized_rank_error(True)
    assert np.mean(ours, axis=0)[0] <= (1.7 if stream in ("sorted", "reversed") else 1.2) * np.mean(theirs, axis=0)[0]
    assert np.mean(ours, axis=0)[0] <= 0.0017  # whatever the order; a tenth of the guarantee
    assert np.max(ours) <= bound and gw.sketch("kll(k=200)").rank_error == pytest.approx(bound, rel=0.01)
    for spec in ("gk(epsilon=0.002)", "histogram"):
        _, largest = observed(gw.sketch(spec).update(items).rank, items)
        assert largest <= gw.sketch(spec).rank_error < bound / 5


def test_merged_parts_against_datasketches(streams):
    """40 parts of equal and unequal size: the merged sketch errs no more than DataSketches' merged one."""
    ours, theirs = [], []
    for seed in range(8):
        items = streams(N, seed)["heavy tail"]
        sketch, peer = gw.sketch(f"kll(seed={seed})"), datasketches.kll_floats_sketch(200)
        for i, part in enumerate(np.split(items, [10, 5000, *range(6000, N, 900)])):
            sketch.merge(gw.sketch(f"kll(seed={1000 * seed + i})").update(part))
            other = datasketches.kll_floats_sketch(200)
            other.update(part)
            peer.merge(other)
        ours.append(observed(sketch.rank, items))
        theirs.append(observed(lambda x, peer=peer: peer.get_rank(x, True), items))
    assert np.mean(ours, axis=0)[0] <= 1.25 * np.mean(theirs, axis=0)[0]
    assert np.max(ours) <= peer.normalized_rank_error(True)


@pytest.mark.parametrize("spec", ["gk(epsilon=0.02)", "histogram(refine=0.02)"])
def test_deterministic_sketches_bear_an_adversary_that_sees_them(spec):
    """Each batch goes to the item whose rank the sketch gets most wrong."""
    rng = np.random.default_rng(3)
    items = rng.normal(size=500).astype(np.float32)
    sketch = gw.sketch(spec).update(items)
    for _ in range(50):
        if spec.startswith("hist"):
            sketch._core.flush()
        exact = np.sort(items)
        true = np.searchsorted(exact, exact, "right") / len(items)
        off = np.abs(sketch.rank(exact) - true)
        assert off.max() <= sketch.rank_error + 1e-9
        bits = int(exact[off.argmax()].view(np.uint32))
        batch = (bits + rng.integers(-(2 ** rng.integers(3, 18)), 2 ** rng.integers(3, 18), 300)).astype(np.uint32).view(np.float32)
        items = np.append(items, batch)
        sketch.update(batch).prune()


def test_an_update_of_no_items_changes_nothing():
    for spec in SPECS:
        sketch = gw.sketch(spec).update([3.0, 1.0])
        before = bytes(sketch)
        assert bytes(sketch.update(np.empty(0, np.float32))) == before

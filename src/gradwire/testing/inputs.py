"""What the suite feeds to parts: gradients, key sets, damaged bytes; and the means to run at each SIMD level or measure memory."""

import tracemalloc
from contextlib import contextmanager

import numpy as np

from .._ext import simd
from ..gradient import Gradient
from ..step import Step

STEP = Step(index=3, seed=11, rank=1)
HUGE = 2**32


def gradients(seed=0, dim=5000, nnz=700):
    """Name → Gradient: the shapes of input that every codec meets. The arrays are read-only, as a caller's may be."""
    rng = np.random.default_rng(seed)

    def sparse(values, keys, size=dim):
        return _frozen(Gradient(np.asarray(values, np.float32), size, np.asarray(keys, np.uint32)))

    keys = np.sort(rng.choice(dim, nnz, replace=False))
    heavy = rng.choice([-1, 1], nnz) * rng.lognormal(-9, 2.5, nnz)
    return {
        "empty": sparse([], []),
        "one key": sparse([0.5], [dim // 2]),
        "first and last key": sparse([-0.5, 2.0], [0, dim - 1]),
        "all keys": sparse(rng.normal(size=300), np.arange(300), 300),
        "dim 1": sparse([3.0], [0], 1),
        "largest dim": sparse([1.0, -1.0, 2.0], [0, 77, HUGE - 1], HUGE),
        "gaussian": sparse(rng.normal(size=nnz), keys),
        "heavy tail": sparse(heavy, keys),
        "constant": sparse(np.full(nnz, 0.25), keys),
        "one sign": sparse(-np.abs(heavy), keys),
        "zeros": sparse(np.zeros(nnz), keys),
        "some zeros": sparse(np.where(rng.random(nnz) < 0.3, 0, heavy), keys),
        "denormals": sparse(rng.choice([-1, 1], nnz) * rng.integers(1, 1000, nnz) * 2.0**-149, keys),
        "largest values": sparse(rng.choice([-1, 1], nnz) * np.finfo(np.float32).max, keys),
        "dense": _frozen(Gradient(rng.normal(size=dim).astype(np.float32), dim)),
        "dense zeros": _frozen(Gradient(np.zeros(dim, np.float32), dim)),
        "dense, dim 1": _frozen(Gradient(np.array([-2.0], np.float32), 1)),
    }


def key_sets(seed=0):
    """Name → (keys, dim). The keys are read-only."""
    rng = np.random.default_rng(seed)
    cases = {name: (g.keys, g.dim) for name, g in gradients(seed).items() if not g.is_dense}
    runs = np.unique(np.concatenate([np.arange(start, start + 90) for start in rng.integers(0, 10**6, 9)]))
    more = {
        "runs": (runs.astype(np.uint32), 2 * 10**6),
        "wide gaps": (np.sort(rng.choice(HUGE - 1, 50, replace=False)).astype(np.uint32), HUGE),
        "one far key": (np.array([HUGE - 1], np.uint32), HUGE),
    }
    for keys, _ in more.values():
        keys.setflags(write=False)
    return cases | more


def long_gradients():
    """Name → Gradient: long enough for every loop of a kernel and its tail."""
    rng = np.random.default_rng(1)
    n = 20_011
    values = (rng.choice([-1, 1], n) * rng.lognormal(-9, 2.5, n)).astype(np.float32)
    keys = np.unique(np.concatenate([rng.zipf(1.3, n).clip(max=2**20 - 1), rng.integers(0, 2**20, n), np.arange(9000, 12_000)]))
    return {"long dense": _frozen(Gradient(values, n)), "long sparse": _frozen(Gradient(values, 2**20, keys[:n].astype(np.uint32)))}


def few_coordinates():
    """Name → Gradient with 64 coordinates: what a claim about a mean over many encodings is tried on."""
    rng = np.random.default_rng(5)
    normal, heavy = rng.normal(size=64), rng.choice([-1, 1], 64) * rng.lognormal(0, 1.5, 64)
    keys = np.arange(0, 64, 2, dtype=np.uint32)
    return {
        "gaussian": Gradient(normal.astype(np.float32), 64, np.arange(64, dtype=np.uint32)),
        "dense heavy tail": Gradient(heavy.astype(np.float32), 64),
        "half the keys": Gradient(normal[:32].astype(np.float32), 64, keys),
    }


_WORDS = tuple(bytes.fromhex(text) for text in ("0000c07f", "0000807f", "000080ff", "ffffffff", "ffffff7f"))
"""As float32, little-endian: NaN, inf, -inf, NaN, NaN; as integers, among others the largest."""


def mutations(data, count=300, seed=0):
    """Damaged copies of `data`: truncated at many lengths, bits flipped, words of it replaced by NaN, infinities and large numbers, random
    bytes, appended bytes.
    """
    rng = np.random.default_rng(seed)
    data = bytes(data)
    for length in sorted({*range(min(len(data), 64)), *rng.integers(0, max(len(data), 1), 20).tolist()}):
        yield data[:length]
    yield data + b"\0" * 8
    for at in {4 * i for i in (*range(6), int(rng.integers(0, len(data) // 4 + 1)))}:
        for word in _WORDS:
            if at + 4 <= len(data):
                yield data[:at] + word + data[at + 4 :]
    for _ in range(count if data else 0):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), int(rng.integers(1, 4))):
            damaged[at] ^= 1 << int(rng.integers(8))
        yield bytes(damaged)
        yield rng.bytes(int(rng.integers(0, len(data) + 9)))


def levels():
    """The SIMD levels of this machine, one after the other; the one in use comes back at the end."""
    before = simd.level()
    try:
        for level in simd.levels():
            simd.use(level)
            yield level
    finally:
        simd.use(before)


def at_all_levels(run, what):
    """AssertionError if run(), something hashable, is not the same twice at one level, or differs between levels."""
    seen = {}
    for level in levels():
        seen[level] = run()
        assert run() == seen[level], f"{what}: the same done twice, with equal Steps, differs"
    assert len(set(seen.values())) == 1, f"{what}: the levels {', '.join(seen)} differ"


@contextmanager
def memory_limit(nbytes, what):
    """AssertionError if more than `nbytes` are allocated inside, as Python and NumPy count them, even if never touched."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield
    finally:
        used = tracemalloc.get_traced_memory()[1] - before
        if not tracing:
            tracemalloc.stop()
    assert used <= nbytes, f"{what}: {used} bytes were allocated, expected at most {nbytes}"


def allowance(payload_nbytes):
    """Bytes that decoding a damaged payload may take: a payload of runs may honestly be short, but not a thousandfold."""
    return 16 * 2**20 + 1024 * payload_nbytes


def _frozen(gradient):
    for array in (gradient.values, gradient.keys):
        if array is not None:
            array.setflags(write=False)
    return gradient

"""What gradwire's coders are compared with in the same run: well-known libraries and plain NumPy, those that are installed.

    keys         pyfastpfor (FastPFOR's codecs on the gaps), pcodec, zstandard on the gaps' bytes
    values       NumPy: fp16, natural compression, 8-bit uniform, quantiles; torch: fp16; pcodec and zstandard, lossless
    sparsifiers  NumPy's argpartition, torch.topk
    sketches     Apache DataSketches' KLL

`pip install 'gradwire[peers]'` brings all but torch. They allocate as their interfaces demand; gaps and running sums are in the time.
"""

import importlib
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import version

import numpy as np

from ..gradient import Gradient
from .contenders import FRACTIONS, Case
from .errors import errors, rank_error

SHARES = (0.001, 0.01, 0.1)
FASTPFOR = ("simdfastpfor256", "simdbinarypacking", "streamvbyte")


@cache
def _library(name):
    """The module, or None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def missing():
    """A line for each library that is not installed."""
    return [f"peer {name}: not installed; pip install {name}" for name in _MAKE if _library(name) is None]


def cases(given):
    """The Cases of all installed peers that fit an Input."""
    found = []
    for name in _MAKE:
        if _library(name) is not None:
            found += [replace(case, peer=f"{name} {version(name)}") for case in _MAKE[name](given)]
    return found


def _case(kind, label, given, encode, decode, nbytes=None, quality=dict, describe=None):
    arrays = [g.keys if kind == "keys" else g.values for g in given.gradients]
    if describe is None:
        describe = lambda i, payload: {"bits": 8 * nbytes(payload) / max(len(arrays[i]), 1)} if nbytes else {}  # noqa: E731
    back = decode and (lambda i, payload: decode(payload, len(arrays[i])))
    return Case(kind, label, given, arrays, lambda i: encode(arrays[i]), back, describe, quality)


def _key_case(label, given, encode, decode, nbytes):
    return _case("keys", label, given, encode, decode, nbytes)


def _value_case(label, given, encode, decode, nbytes):
    first = given.gradients[0]
    decoded = lambda repeat: Gradient.trusted(np.ascontiguousarray(decode(encode(first.values), first.nnz), np.float32), first.nnz)  # noqa: E731
    dense = Gradient.trusted(first.values, first.nnz)
    return _case("values", label, given, encode, decode, nbytes, lambda: errors(dense, decoded))


def _top_case(label, given, share, choose):
    """Selection of the share largest magnitudes; choose: (values, k) → positions, unordered."""

    def select(values):
        chosen = np.sort(choose(values, max(1, round(share * len(values)))))
        return chosen, values[chosen]

    return _case("sparsifiers", label, given, select, None, describe=lambda i, kept: {"kept": len(kept[0]) / given.gradients[i].nnz})


def _has_keys(given):
    return not given.gradients[0].is_dense


def _has_values(given):
    """Synthetic sparse inputs are for key coders; recorded ones are for all."""
    return not _has_keys(given) or given.name.startswith("recorded")


def _pyfastpfor(given):
    library = _library("pyfastpfor")

    def coder(name):
        codec = library.getCodec(name)

        def encode(keys):
            gaps, out = keys.copy(), np.empty(len(keys) + len(keys) // 2 + 4096, np.uint32)
            library.delta1(gaps, len(gaps))
            return out[: codec.encodeArray(gaps, len(gaps), out, len(out))]

        def decode(payload, n):
            keys = np.empty(n + 512, np.uint32)
            codec.decodeArray(payload, len(payload), keys, n)
            library.prefixSum1(keys, n)
            return keys[:n]

        return encode, decode

    return [_key_case(name, given, *coder(name), lambda p: p.nbytes) for name in FASTPFOR] if _has_keys(given) else []


def _pcodec(given):
    library = _library("pcodec")
    squeeze, expand = library.standalone.simple_compress, library.standalone.simple_decompress
    found, decode = [], lambda payload, n: expand(payload)
    for level in (4, 8):
        encode = partial(lambda config, array: squeeze(array, config), library.ChunkConfig(compression_level=level))
        for make in _makers(given):
            found.append(make(f"pcodec level {level}", given, encode, decode, len))
    return found


def _makers(given):
    return [_key_case] * _has_keys(given) + [_value_case] * _has_values(given)


def _zstandard(given):
    library = _library("zstandard")
    squeeze, expand = library.ZstdCompressor(level=3).compress, library.ZstdDecompressor().decompress

    def encode(keys):
        return squeeze(np.diff(keys, prepend=np.uint32(0)).tobytes())

    def decode(payload, n):
        return np.cumsum(np.frombuffer(expand(payload), np.uint32), dtype=np.uint32)

    found = [_key_case("zstd level 3 of gaps", given, encode, decode, len)] * _has_keys(given)
    if _has_values(given):
        floats = lambda payload, n: np.frombuffer(expand(payload), np.float32)  # noqa: E731
        found.append(_value_case("zstd level 3", given, lambda values: squeeze(values.tobytes()), floats, len))
    return found


def _datasketches(given):
    if not _has_values(given):
        return []
    kll = _library("datasketches").kll_floats_sketch

    def encode(values):
        sketch = kll(200)
        sketch.update(values)
        return sketch

    def quality():
        values = given.gradients[0].values
        answers = np.array(encode(values).get_quantiles(FRACTIONS.tolist()), np.float32)
        return {"rank_error": rank_error(values, FRACTIONS, answers)}

    describe = lambda i, sketch: {  # noqa: E731
        "bits": 8 * len(sketch.serialize()) / given.gradients[i].nnz,
        "rank_error_claim": sketch.normalized_rank_error(False),
    }
    quantiles = lambda sketch, n: sketch.get_quantiles(FRACTIONS.tolist())  # noqa: E731
    return [_case("sketches", "datasketches KLL, k=200", given, encode, quantiles, quality=quality, describe=describe)]


def _numpy(given):
    if not _has_values(given):
        return []
    rng = np.random.default_rng(0)

    def natural(values):
        bits = values.view(np.uint32) + rng.integers(0, 1 << 23, len(values), np.uint32)
        return (bits >> 23 & 255).astype(np.uint8), np.packbits(bits >> 31 != 0)

    def natural_back(payload, n):
        fields, signs = payload
        return (fields.astype(np.uint32) << 23 | np.unpackbits(signs, count=n).astype(np.uint32) << 31).view(np.float32)

    def uniform(values):
        low, high = values.min(), values.max()
        return low, high, np.rint((values - low) * (255 / (high - low))).astype(np.uint8)

    def uniform_back(payload, n):
        low, high, codes = payload
        return low + codes * np.float32((high - low) / 255)

    def quantile(values):
        splits = np.quantile(values, FRACTIONS).astype(np.float32)
        return np.concatenate([[values.min()], splits, [values.max()]]), np.searchsorted(splits, values, side="right").astype(np.uint8)

    def quantile_back(payload, n):
        edges, codes = payload
        return ((edges[1:] + edges[:-1]) / 2)[codes]

    def largest(values, k):
        return np.argpartition(np.abs(values), len(values) - k)[len(values) - k :]

    total = lambda payload: sum(np.asarray(part).nbytes for part in payload)  # noqa: E731
    return [
        _value_case("numpy fp16", given, lambda v: v.astype(np.float16), lambda p, n: p.astype(np.float32), lambda p: p.nbytes),
        _value_case("numpy natural", given, natural, natural_back, total),
        _value_case("numpy uniform, 8 bits", given, uniform, uniform_back, total),
        _value_case("numpy quantile, 256", given, quantile, quantile_back, total),
        *(_top_case(f"numpy argpartition, {share:.1%}", given, share, largest) for share in SHARES),
    ]


def _torch(given):
    if not _has_values(given):
        return []
    torch = _library("torch")
    torch.set_num_threads(1)

    def half(values):
        return torch.from_numpy(values).to(torch.float16)

    def largest(values, k):
        return torch.topk(torch.from_numpy(values).abs(), k, sorted=False)[1].numpy()

    return [
        _value_case("torch fp16", given, half, lambda p, n: p.to(torch.float32).numpy(), lambda p: 2 * len(p)),
        *(_top_case(f"torch.topk, {share:.1%}", given, share, largest) for share in SHARES),
    ]


_MAKE = {
    "numpy": _numpy,
    "pyfastpfor": _pyfastpfor,
    "pcodec": _pcodec,
    "zstandard": _zstandard,
    "datasketches": _datasketches,
    "torch": _torch,
}

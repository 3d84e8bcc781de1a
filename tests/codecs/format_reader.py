"""A second decoder, written from src/gradwire/codecs/FORMAT.md alone: plain Python and NumPy, nothing of gradwire.

    read(message, specification, index, seed)  → (dim, keys or None, values)
    sketch(data)                               → a dict of what stands in it

It is slow, and raises ValueError where bytes do not fit the page. What encoders choose it does not know.
"""

import math
import re
import zlib
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import xxhash

PARTS = {
    "sparsifiers": {
        "nonzero": {},
        "topk": {"ratio": 0.01, "k": None},
        "sampled_topk": {"ratio": 0.01, "k": None, "sample": 0.01},
        "threshold": {"t": 0.001},
        "randomk": {"ratio": 0.01, "k": None, "shared": False, "scale": "unbiased"},
    },
    "keys": {
        **{name: {} for name in ("raw", "huffman", "golomb", "elias_fano", "rle")},
        "byteflag": {"lengths": "1234"},
        "bitflag": {"flag_bits": "auto", "widths": "multiples"},
        "partitioned": {"length_bits": 6, "width_bits": 5},
        "bitmap": {"max_dim": 1073741824},
        "deflate": {"level": 6},
        "rice": {"block": 256},
        "adaptive": {"candidates": ""},
    },
    "values": {
        **{name: {} for name in ("fp32", "fp16", "bf16")},
        "uniform": {"bits": 8, "rounding": "stochastic", "coding": "fixed"},
        "zipml_optimal": {"bits": 8, "rounding": "stochastic"},
        "logquant": {"tau": 128, "base": 1.189207115002721, "rounding": "nearest", "scale": "max", "coding": "fixed"},
        "quantile": {
            "buckets": 256, "center": "midpoint", "signs": "joint", "sketch": "histogram", "exact_tail": 0.0, "coding": "fixed",
        },
        "minmax": {
            "buckets": 256, "rows": 2, "col_ratio": 0.3, "groups": 8, "center": "midpoint", "signs": "joint", "sketch": "histogram",
            "exact_tail": 0.0, "coding": "fixed",
        },
        "natural": {"bits": 9, "rounding": "stochastic"},
        "dithering": {"levels": 127, "p": 2.0, "group_size": 0, "coding": "fixed"},
        "natural_dithering": {"levels": 8, "p": 2.0, "group_size": 0, "norm": "fp32", "coding": "fixed"},
        "terngrad": {"clip": 0.0, "group_size": 0},
        "onebit": {"group_size": 0},
        "sign": {"group_size": 0},
        "integer": {"bits": 8, "rounding": "stochastic"},
    },
}  # fmt: skip
# sparsifier, keys (None: the option `keys`), values, options of the values that the preset sets itself
PRESETS = {
    "none": (None, "raw", "fp32", {}),
    "intsgd": (None, "raw", "integer", {}),
    "fp16": (None, "raw", "fp16", {}),
    "bf16": (None, "raw", "bf16", {}),
    "adam-sparse": ("nonzero", "raw", "fp32", {}),
    "zipml": ("nonzero", "raw", "uniform", {"bits": 16, "rounding": "nearest"}),
    "fastsgd": (None, "bitflag", "logquant", {}),
    "partitioned-fastsgd": (None, "partitioned", "logquant", {}),
    "sketchml": ("nonzero", "byteflag", "minmax", {}),
    "skcompress": ("nonzero", "bitflag", "minmax", {"coding": "huffman"}),
    "sketchml-quan": ("nonzero", "raw", "quantile", {}),
    "sketchml-key": ("nonzero", "byteflag", "fp32", {}),
    "natural": (None, None, "natural", {}),
    "natural_dithering": (None, None, "natural_dithering", {}),
    "qsgd": (None, None, "dithering", {}),
    "terngrad": (None, None, "terngrad", {}),
    "onebit": (None, None, "onebit", {}),
    "sign": (None, None, "sign", {}),
}
F32, F64 = np.float32, np.float64
M32, M64 = 2**32 - 1, 2**64 - 1


def check(condition, what):
    if not condition:
        raise ValueError(what)


def xxh3(data):
    return xxhash.xxh3_64_intdigest(data)


# ---- specifications


def parse(text):
    """[(name, options as given), …] of 'name(key=value, …)+name…'."""
    found = []
    for part in re.findall(r'[\w-]+(?:\((?:"[^"]*"|[^")])*\))?', text):
        name, _, inside = part.partition("(")
        given = re.findall(r'(\w+)\s*=\s*("[^"]*"|[^,\s)]+)', inside)
        found.append((name, {key: value(word) for key, word in given}))
    return found


def value(word):
    if word.startswith('"'):
        return word[1:-1]
    if word in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[word]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            pass
    return word


def part(name, given):
    """(kind, name, all options): values in the type of their defaults; what is not its option is a preset's business."""
    kind = next(kind for kind in PARTS if name in PARTS[kind])
    options = dict(PARTS[kind][name])
    for key in options.keys() & given.keys():
        x, default = given[key], options[key]
        if isinstance(default, float):
            x = float(x)
        elif key in ("scale", "lengths"):
            x = "none" if x is None else str(x)
        options[key] = x
    return kind, name, options


def composition(specification):
    """{"sparsifiers" (or not), "keys", "values": (name, options)}"""
    parts = parse(specification)
    name, given = parts[0]
    if len(parts) == 1 and name in PRESETS:
        sparsifier, keys, values, fixed = PRESETS[name]
        keys = (keys, given) if keys else parse(given.get("keys", "adaptive"))[0]
        parts = [*([(sparsifier, {})] if sparsifier else []), keys, (values, fixed | given)]
    found = {kind: (name, options) for kind, name, options in (part(*p) for p in [("adaptive", {}), ("fp32", {}), *parts])}
    return {kind: found[kind] for kind in PARTS if kind in found}


def literal(x):
    if isinstance(x, bool):
        return str(x).lower()
    if isinstance(x, str):
        return x if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", x) and x.lower() not in ("true", "false", "none") else f'"{x}"'
    return repr(x)


def canonical(parts):
    texts = []
    for kind, (name, options) in parts.items():
        changed = [f"{key}={literal(x)}" for key, x in options.items() if x != PARTS[kind][name][key]]
        texts.append(name + (f"({', '.join(changed)})" if changed else ""))
    return "+".join(texts)


# ---- bytes, bits, streams


class Bytes:
    """What is left of a payload. strict: packed numbers end in bits that are 0."""

    def __init__(self, data, strict=True):
        self.data, self.at, self.strict = np.frombuffer(data, np.uint8), 0, strict

    def take(self, size):
        check(0 <= size <= len(self.data) - self.at, "too few bytes")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size).tobytes(), "little")

    def array(self, kind, count):
        kind = np.dtype(kind)
        return np.frombuffer(self.take(kind.itemsize * count).tobytes(), kind)

    def floats(self, count):
        found = self.array("<f4", count)
        check(np.isfinite(found).all(), "a float is not finite")
        return found

    def pad8(self):
        check(not self.take(-self.at % 8).any(), "padding that is not 0")

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        check(self.at == len(self.data), "bytes left over")

    def packed(self, count, bits):
        stream = Bits(self.take((count * bits + 7) // 8))
        found = stream.numbers(count, bits)
        if self.strict:
            stream.end()
        return found

    def unary(self, count):
        """A stream of `count` numbers in unary, whose length they tell."""
        ones = np.flatnonzero(np.unpackbits(self.data[self.at :], bitorder="little"))[:count]
        check(len(ones) == count, "too few numbers in unary")
        stream = Bits(self.take((int(ones[-1]) + 8) // 8 if count else 0))
        stream.at = int(ones[-1]) + 1 if count else 0
        stream.end()
        return np.diff(ones, prepend=-1) - 1


class Bits:
    def __init__(self, data):
        self.bits, self.at = np.unpackbits(data, bitorder="little"), 0

    def numbers(self, count, bits):
        """int64 (count,), the lowest bit first."""
        check(count * bits <= len(self.bits) - self.at, "too few bits")
        self.at += count * bits
        block = self.bits[self.at - count * bits : self.at].reshape(count, bits)
        return block.astype(np.int64) @ (1 << np.arange(bits, dtype=np.int64)) if bits else np.zeros(count, np.int64)

    def number(self, bits):
        return int(self.numbers(1, bits)[0])

    def each(self, widths):
        """One number of each width."""
        widths = np.asarray(widths, np.int64)
        check(widths.sum() <= len(self.bits) - self.at, "too few bits")
        ends = np.cumsum(widths)
        number = np.repeat(np.arange(len(widths)), widths)
        position = np.arange(widths.sum()) - (ends - widths)[number]
        found = np.zeros(len(widths), np.int64)
        np.add.at(found, number, self.bits[self.at : self.at + int(widths.sum())].astype(np.int64) << position)
        self.at += int(widths.sum())
        return found

    def end(self):
        check(len(self.bits) - self.at < 8 and not self.bits[self.at :].any(), "bits left over")


def gamma(data, n):
    logs = data.unary(n)
    stream = Bits(data.rest())
    codes = (1 << logs) + stream.each(logs) - 1
    stream.end()
    return codes


def entropy(data, n, alphabet):
    """Reads `data` to its end."""
    data = Bytes(data.rest())
    if n == 0:
        data.end()
        return np.zeros(0, np.int64)
    width = max(1, (alphabet - 1).bit_length())
    shift = max(0, width - 10)
    mode = data.number(1)
    check(mode < 2, "unknown mode")
    if mode == 0:
        codes = data.packed(n, width)
        data.end()
        return below(codes, alphabet)
    lengths = code_lengths(data, max(2, (alphabet - 1 >> shift) + 1))
    body = Bytes(data.take(len(data.data) - data.at - (n * shift + 7) // 8))
    low = data.packed(n, shift)
    return below(symbols(body, n, lengths) << shift | low, alphabet)


def below(codes, alphabet):
    check(len(codes) == 0 or codes.max() < alphabet, "a code beyond the alphabet")
    return codes


def code_lengths(data, m):
    stream, lengths = Bits(data.data[data.at :]), []
    while len(lengths) < m:
        x = stream.number(4)
        if x == 15:
            before = lengths[-1] if lengths else 0
            lengths += [before] * (4 + stream.number(4) + 16 * stream.number(4))
        else:
            check(x <= 12, "a code length above 12")
            lengths.append(x)
    check(len(lengths) == m and sum(2**-x for x in lengths if x) == 1, "no complete code")
    check(stream.number(stream.at % 8) == 0, "half a byte left over")
    data.take(stream.at // 8)
    return lengths


def symbols(data, n, lengths):
    book, code, before = {}, 0, 0
    for length, symbol in sorted((length, s) for s, length in enumerate(lengths) if length):
        code = code + 1 << length - before if before else 0
        book[length, code], before = symbol, length
    if n < 1024:
        found, _ = walk(data.rest(), n, book)
        return np.array(found)
    sizes = data.array("<u4", 3).tolist()
    found, total = [], 0
    for k in range(4):
        stream = data.take(sizes[k]) if k < 3 else data.rest()
        more, bits = walk(stream, n // 4 if k < 3 else n - n // 4 * 3, book, last=k == 3)
        found, total = found + more, total + bits
    check(sum(sizes) + len(stream) == total // 8 + 4, "another number of zeros")
    return np.array(found)


def walk(stream, n, book, last=False):
    """(n symbols, their bits in all)."""
    bits, at, found = np.unpackbits(stream, bitorder="little").tolist(), 0, []
    for _ in range(n):
        length, code = 0, 0
        while (length, code) not in book:
            check(at < len(bits) and length < 12, "the stream ends early")
            code, length, at = code << 1 | bits[at], length + 1, at + 1
        found.append(book[length, code])
    check(not any(bits[at:]) and (last or len(bits) - at < 8), "bits left over")
    return found, at


def coded(data, n, alphabet, coding):
    if coding == "huffman":
        return entropy(data, n, alphabet)
    return below(gamma(data, n) if coding == "elias" else data.packed(n, max(1, (alphabet - 1).bit_length())), alphabet)


# ---- keys: (Bytes, n, dim, options) → int64 keys


def from_gaps(gaps):
    return np.cumsum(np.asarray(gaps, np.int64) + 1) - 1


def raw(data, n, dim, o):
    return data.array("<u4", n).astype(np.int64)


def byteflag(data, n, dim, o):
    sizes = data.packed(n, 2) + 1
    check(o["lengths"] != "124" or 3 not in sizes, "three bytes")
    return np.cumsum([data.number(size) for size in sizes.tolist()])


def widths_of(field, most):
    widths = [b for b in range(33) if field >> b & 1]
    check(1 <= len(widths) <= most and field >> 33 == 0, "too many widths, or none")
    return np.array(widths)


def bitflag(data, n, dim, o):
    head = data.number(5)
    f = head >> 33
    widths = widths_of(head & (1 << 33) - 1, 2**f)
    check(f <= 5 and (f or widths[0]), "no widths")
    flags, stream = data.packed(n, f), Bits(data.rest())
    gaps = stream.each(widths[flags])
    stream.end()
    return from_gaps(gaps)


def partitioned(data, n, dim, o):
    length_bits, f = o["length_bits"], o["width_bits"]
    parts = data.number(4) + 1
    widths = widths_of(data.number(5), 2**f) if f < 5 else np.array([*range(31), 32])
    stream = Bits(data.rest())
    descriptors = stream.numbers(parts, length_bits + f)
    sizes = (descriptors & (1 << length_bits) - 1) + 1
    gaps = stream.each(np.repeat(widths[descriptors >> length_bits], sizes))
    stream.end()
    return from_gaps(gaps)


def rice(data, n, dim, o):
    sizes = [min(o["block"], n - at) for at in range(0, n, o["block"])]
    heads = data.take(len(sizes)).tolist()
    low_bits = [head & 63 for head in heads]
    check(all(head < 128 for head in heads) and max(low_bits) <= 32, "no parameter")
    far = [data.number(1) + 1 if head & 64 else 0 for head in heads]
    far = [[(data.number(1), data.number(4)) for _ in range(count)] for count in far]
    low = [data.packed(size, p) if p < 32 else np.zeros(size, np.int64) for size, p in zip(sizes, low_bits)]
    quotients, at, gaps = data.unary(sum(size for size, p in zip(sizes, low_bits) if p < 32)), 0, []
    check(all(a[0] < b[0] for exceptions in far for a, b in pairwise(exceptions)), "positions that do not ascend")
    for size, p, exceptions, lowest in zip(sizes, low_bits, far, low):
        here = np.zeros(size, np.int64)
        if p < 32:
            here += quotients[at : at + size]
            at += size
        for position, more in exceptions:
            here[position] += more
        gaps.append((here << p % 32) + lowest)
    return from_gaps(np.concatenate(gaps))


def golomb(data, n, dim, o):
    m, extra = data.number(4), data.number(4)
    check(0 < m < 2**31, "no divisor")
    w = m.bit_length() - 1
    c = (2 << w) - m
    v, bits, quotients = data.packed(n, w), data.packed(extra, 1), data.unary(n)
    long = v >= c
    check(long.sum() == extra, "another number of extra bits")
    v[long] = 2 * v[long] + bits - c
    return from_gaps(quotients * m + v)


def elias_fano(data, n, dim, o):
    low_bits = data.number(1)
    low = data.packed(n, low_bits)
    return (np.cumsum(data.unary(n)) << low_bits) + low


def bitmap(data, n, dim, o):
    keys = np.flatnonzero(np.unpackbits(data.take((dim + 7) // 8), bitorder="little"))
    check(len(keys) == n, "another number of keys")
    return keys


def rle(data, n, dim, o):
    stream, keys, following = Bits(data.rest()), [], 0
    while len(keys) < n:
        following += delta(stream) - (not keys)
        length = 65536
        while length == 65536:
            length = delta(stream)
            check(length <= 65536, "too long a run")
            keys += range(following, following + min(length, 65535))
            following += min(length, 65535)
    stream.end()
    return np.array(keys)


def delta(stream):
    zeros = 0
    while not stream.number(1):
        zeros += 1
    below = stream.number(zeros) + (1 << zeros) - 1
    return stream.number(below) + (1 << below)


def huffman(data, n, dim, o):
    widths = entropy(Bytes(data.take(data.number(5))), n, 33)
    stream = Bits(data.rest())
    low = stream.each(np.maximum(widths - 1, 0))
    stream.end()
    return from_gaps(np.where(widths > 0, low + (1 << np.maximum(widths - 1, 0)), 0))


def deflate(data, n, dim, o):
    planes = data.number(1)
    check(1 <= planes <= 4, "no number of planes")
    inflater = zlib.decompressobj(-15)
    body = inflater.decompress(data.rest().tobytes())
    check(len(body) == planes * n and inflater.eof and not inflater.unused_data, "another number of bytes")
    return from_gaps(np.frombuffer(body, np.uint8).reshape(planes, n).astype(np.int64).T @ (1 << 8 * np.arange(planes)))


def adaptive(data, n, dim, o):
    text = data.take(data.number(1)).tobytes().decode("ascii")
    data.pad8()
    candidates = [canonical({"keys": part(*c)[1:]}) for c in parse(o["candidates"])] or [
        name for name in PARTS["keys"] if name != "adaptive"
    ]
    check(text in candidates, "no candidate")
    _, name, options = part(*parse(text)[0])
    return read_keys(Bytes(data.rest()), n, dim, (name, options))


def read_keys(data, n, dim, coder):
    name, options = coder
    reader = {f.__name__: f for f in (raw, byteflag, bitflag, partitioned, rice, golomb, elias_fano, bitmap, rle, huffman, deflate)}
    keys = np.zeros(0, np.int64)
    if name == "adaptive":
        keys = adaptive(data, n, dim, options)
    elif n:
        keys = reader[name](data, n, dim, options)
    data.end()
    check(len(keys) == n and (np.diff(keys, prepend=-1) > 0).all() and (n == 0 or keys[-1] < dim), "no increasing keys below dim")
    return keys


def key_groups(data, n, dim, coder):
    """[keys of each group]"""
    count, zero = data.number(4), data.number(4)
    check(zero == 0, "a number that is not 0")
    directory = [(data.number(4), data.number(4)) for _ in range(count)]
    check(sum(size for size, _ in directory) == n and (not directory or directory[-1][0]), "another number of keys")
    groups = []
    for size, length in directory:
        groups.append(read_keys(Bytes(data.take(length)), size, dim, coder))
        data.pad8()
    data.end()
    return groups


# ---- values: (tables, values, n, options) → float32


def fp32(tables, data, n, o):
    return data.floats(n)


def fp16(tables, data, n, o):
    return data.array("<f2", n).astype(F32)


def bf16(tables, data, n, o):
    return bits_to_floats(data.array("<u2", n).astype(np.int64) << 16)


def bits_to_floats(bits):
    return bits.astype(np.uint32).view(F32)


def uniform(tables, data, n, o):
    low, high = tables.floats(2).astype(F64)
    check(low <= high, "low above high")
    top = 2 ** o["bits"] - 1
    codes = coded(data, n, top + 1, o["coding"]).astype(F64)
    return (((top - codes) * low + codes * high) * (F64(1) / F64(top))).astype(F32)


def integer(tables, data, n, o):
    peak = tables.floats(1).astype(F64)[0]
    payloads = tables.number(4)
    check(peak >= 0 and payloads > 0, "no peak or no payloads")
    limit = (2 ** (o["bits"] - 1) - 1) // payloads
    codes = data.array(f"<i{o['bits'] // 8}", n).astype(np.int64)
    check(limit > 0 and (np.abs(codes) <= limit).all(), "a code beyond the limit")
    return (codes * (peak / limit)).astype(F32)


def zipml_optimal(tables, data, n, o):
    levels = tables.floats(2 ** o["bits"])
    return levels[data.packed(n, o["bits"])]


def logquant(tables, data, n, o):
    k, scale = (o["tau"] - 1).bit_length(), 1.0
    if o["scale"] == "max":
        scale = unsigned(tables.floats(1)).astype(F64)[0]
        tables.pad8()
    codes = coded(data, n, 2**k + o["tau"], o["coding"])
    e = below(codes & 2**k - 1, o["tau"])
    context = Context(prec=80, Emin=-(10**9), Emax=10**9)
    powers = [float(context.power(Decimal(o["base"]), -i)) for i in range(o["tau"])]
    magnitudes = (np.array(powers) * scale).astype(F32)[e]
    return np.where(codes >> k, -magnitudes, magnitudes)


def quantile(tables, data, n, o):
    if n == 0:
        return np.zeros(0, F32)
    tail = o["exact_tail"] > 0
    buckets, exact = tables.number(4), tables.number(4)
    centers = tables.floats(buckets)
    tables.take(-tables.at % 8)
    check(tail or exact == 0, "exact values")
    exact = data.floats(exact)
    codes = coded(data, n, buckets + tail, o["coding"])
    values = np.append(centers, F32(0))[codes]
    values[codes == buckets] = exact
    return values


def minmax(tables, data, groups, o):
    """float32 of each group's keys, concatenated, for their keys."""
    n, tail = sum(map(len, groups)), o["exact_tail"] > 0
    if n == 0:
        return np.zeros(0, F32)
    seed, negative, positive, exact = (tables.number(4) for _ in range(4))
    centers = tables.floats(negative + positive)
    tables.take(-tables.at % 8)
    check(tail or exact == 0, "exact values")
    check((centers[:negative] <= 0).all() and (centers[negative:] >= 0).all(), "a bucket on the wrong side of zero")
    exact = data.floats(exact)
    width = -(-(o["buckets"] - tail) // o["groups"])
    sides = centers[:negative], centers[negative:]
    cuts = [side[at : at + width] for side in sides for at in range(0, len(side), width)]
    check(1 <= len(centers) <= o["buckets"] - tail and len(cuts) <= o["groups"], "too many buckets, or none")
    groups = groups + [np.zeros(0, np.int64)] * (len(cuts) + (len(exact) > 0) - len(groups))
    check(len(groups) == len(cuts) + (len(exact) > 0), "keys in other groups")
    columns = [min(math.ceil(o["col_ratio"] * len(keys)), M32) if len(cut) > 1 else 0 for keys, cut in zip(groups, cuts)]
    sizes = [o["rows"] * c for c in columns]
    if o["coding"] == "huffman":
        cells = np.split(entropy(data, sum(sizes), max(map(len, cuts))), np.cumsum(sizes)[:-1])
    else:
        cells = [data.packed(size, (len(cut) - 1).bit_length()) for size, cut in zip(sizes, cuts)]
    values = [look_up(keys, cut, below(cell, len(cut)), c, seed, o["rows"]) for keys, cut, cell, c in zip(groups, cuts, cells, columns)]
    check(not len(exact) or len(exact) == len(groups[-1]), "another number of exact values")
    return np.concatenate([*values, exact])


def look_up(keys, buckets, cells, columns, seed, rows):
    if len(buckets) == 1:
        return np.repeat(buckets, len(keys))
    largest = np.zeros(len(keys), np.int64)
    for r in range(rows if len(keys) else 0):
        y = (keys ^ keys >> 16) * 0x21F0AAAD & M32
        h = ((y ^ y >> 15) ^ random32(seed, 2 * r)).astype(np.uint64) * np.uint64(random32(seed, 2 * r + 1) | 1) & np.uint64(M32)
        column = (h * np.uint64(columns) >> np.uint64(32)).astype(np.int64)
        largest = np.maximum(largest, cells[r * columns + column])
    return buckets[largest]


def natural(tables, data, n, o):
    if o["bits"] == 9:
        fields = data.array("u1", n).astype(np.int64)
        check((fields < 255).all(), "an exponent of 255")
        return bits_to_floats(fields << 23 | data.packed(n, 1) << 31)
    codes = data.array("u1", n).astype(np.int64)
    magnitudes = np.where(codes & 127, np.ldexp(1.0, (codes & 127) - 110), 0).astype(F32)
    return np.where(codes >> 7, -magnitudes, magnitudes)


def unsigned(floats):
    check(not np.signbit(floats).any(), "a norm or scale with a sign")
    return floats


def grouped(n, o):
    """(group of each value, number of groups)"""
    size = o["group_size"] or max(n, 1)
    return np.arange(n) // size, -(-n // size)


def signed_levels(codes):
    return np.where(codes & 1, -(codes + 1 >> 1), codes >> 1)


def dithering(tables, data, n, o):
    group, count = grouped(n, o)
    norms = unsigned(tables.floats(count))
    tables.pad8()
    level = signed_levels(coded(data, n, 2 * o["levels"] + 1, o["coding"])).astype(F32)
    lift = np.select([norms < F32(2.0**-64), norms < F32(2.0**64)], [F32(2.0**64), F32(1)], F32(2.0**-64)).astype(F32)
    unit = (norms * lift).astype(F64) / F64(o["levels"])
    high = bits_to_floats(unit.astype(F32).view(np.uint32).astype(np.int64) & 0xFFFF8000)
    low = (unit - high.astype(F64)).astype(F32)
    return (level * high[group] + level * low[group]) * (F32(1) / lift)[group]


def natural_dithering(tables, data, n, o):
    group, count = grouped(n, o)
    norms = unsigned(tables.floats(count)) if o["norm"] == "fp32" else bits_to_floats(tables.array("u1", count).astype(np.int64) << 23)
    tables.pad8()
    level = signed_levels(coded(data, n, 2 * o["levels"] + 1, o["coding"]))
    power = np.where(level, np.sign(level) * np.ldexp(1.0, abs(level) - o["levels"]), 0).astype(F32)
    return norms[group] * power


def terngrad(tables, data, n, o):
    group, count = grouped(n, o)
    norms = unsigned(tables.floats(count))
    tables.pad8()
    codes = []
    for at in range(0, n, 320):
        size = min(320, n - at)
        block = data.take(-(-size // 5)).astype(np.int64)
        check((block < 243).all(), "a byte above 242")
        codes.append(np.concatenate([block // 3**i % 3 for i in range(5)])[:size])
    codes = np.concatenate([*codes, np.zeros(0, np.int64)]).astype(np.int64)
    return np.choose(codes, [np.zeros(n, F32), -norms[group], norms[group]])


def onebit(tables, data, n, o):
    group, count = grouped(n, o)
    pairs = tables.floats(2 * count).reshape(count, 2)
    return pairs[group, data.packed(n, 1)]


def sign(tables, data, n, o):
    group, count = grouped(n, o)
    scales = unsigned(tables.floats(count))
    tables.pad8()
    return np.where(data.packed(n, 1), -scales[group], scales[group])


VALUES = {
    f.__name__: f
    for f in (
        fp32,
        fp16,
        bf16,
        uniform,
        zipml_optimal,
        logquant,
        quantile,
        natural,
        dithering,
        natural_dithering,
        terngrad,
        onebit,
        sign,
        integer,
    )
}


# ---- random numbers


def random32(seed, i):
    x = ((i & M32) * 0x9E3779B1 + seed) & M32
    x = (x ^ x >> 16) * 0x21F0AAAD & M32
    x ^= (seed >> 32) + (i >> 32) * 0x85EBCA6B & M32
    x = (x ^ x >> 15) * 0x735A2D97 & M32
    return x ^ x >> 15


def mix(x):
    x = x + 0x9E3779B97F4A7C15 & M64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & M64
    x = (x ^ x >> 27) * 0x94D049BB133111EB & M64
    return x ^ x >> 31


def shared_keys(o, dim, index, seed):
    ratio = Fraction(repr(o["ratio"]))
    q = min(dim, o["k"] if o["k"] is not None else max(1, math.ceil(ratio * dim)))
    x = mix(mix(seed & M64) ^ index)
    for byte in b"randomk":
        x = mix(x ^ byte)
    drawn, i = set(), 0
    while len(drawn) < min(q, dim - q):
        product = random32(x, i) * dim
        if product & M32 >= 2**32 % dim:
            drawn.add(product >> 32)
        i += 1
    return np.array(sorted(drawn) if 2 * q <= dim else [key for key in range(dim) if key not in drawn], np.int64)


# ---- messages


def sections_of(message):
    """(dense, dim, nnz, hash, {id: bytes})"""
    check(xxh3(message[:32] + message[40:]) == int.from_bytes(message[32:40], "little"), "checksum")
    data = Bytes(message)
    check(data.take(4).tobytes() == b"GRDW" and data.number(2) == 1, "no message of version 1")
    count, dense, dim, nnz, spec_hash, _ = (data.number(size) for size in (1, 1, 8, 8, 8, 8))
    check(dense < 2 and 1 <= dim <= 2**32 and nnz <= dim and (not dense or nnz == dim), "impossible header")
    table, sections = data.array("<u8", count).tolist(), {}
    check(all(a & 255 < b & 255 for a, b in pairwise(table)), "ids that do not increase")
    for entry in table:
        sections[entry & 255] = data.take(entry >> 8)
        data.pad8()
    data.end()
    check(sections.keys() <= {0, 1, 2}, "unknown section")
    return dense, dim, nnz, spec_hash, sections


def read(message, specification, index=0, seed=0):
    """(dim, int64 keys, None for a dense gradient, float32 values)"""
    try:
        return gradient(message, composition(specification), index, seed)
    except (IndexError, KeyError, StopIteration, zlib.error) as error:
        raise ValueError("what is not there") from error


def gradient(message, parts, index, seed):
    dense, dim, n, spec_hash, sections = sections_of(message)
    check(spec_hash == xxh3(canonical(parts).encode("ascii")), "another specification")
    name, options = parts["values"]
    tables, data = Bytes(sections.get(1, b"")), Bytes(sections[2], strict=False)
    sparsifier, how = parts.get("sparsifiers", (None, {}))
    shared = sparsifier == "randomk" and how["shared"] and name not in ("minmax", "logquant")
    check((0 in sections) == (not dense and not shared) and not (dense and shared), "keys, or no keys")
    keys, order = None, slice(None)
    if shared:
        keys = shared_keys(how, dim, index, seed)
        check(len(keys) == n, "another number of values")
    elif name == "minmax":
        groups = key_groups(Bytes(sections[0]), n, dim, parts["keys"]) if not dense else dense_groups(data, n, options)
        keys = np.concatenate([np.zeros(0, np.int64), *groups])
        order = np.argsort(keys)
        keys = None if dense else keys[order]
    elif not dense:
        keys = read_keys(Bytes(sections[0]), n, dim, parts["keys"])
    values = (minmax(tables, data, groups, options) if name == "minmax" else VALUES[name](tables, data, n, options))[order]
    tables.end()
    data.end()
    check(values.dtype == F32 and np.isfinite(values).all() and (keys is None or len(set(keys.tolist())) == n), "no gradient")
    if shared:
        keys, values = keys[values != 0], values[values != 0]
    return dim, keys, values


def dense_groups(data, n, o):
    most = o["groups"] + (o["exact_tail"] > 0)
    numbers = data.packed(n, max(1, (most - 1).bit_length()))
    return [np.flatnonzero(numbers == g) for g in range(numbers.max() + 1)]


# ---- sketches


def sketch(blob):
    """What stands in bytes(sketch): magic and the names of the page."""
    data = Bytes(blob)
    magic = data.take(4).tobytes()
    found = {b"GEXA": exact, b"GKLL": kll, b"GRGK": gk, b"GHIS": histogram}[magic](data)
    data.end()
    return {"magic": magic, **found}


def exact(data):
    check(data.number(4) == 0, "a number that is not 0")
    return {"items": data.floats(data.number(8))}


def kll(data):
    k, seed, coins, count = data.number(4), data.number(8), data.number(8), data.number(8)
    least, most = data.floats(2)
    levels, zero = data.number(4), data.number(4)
    sizes = data.array("<u4", levels).tolist()
    check(zero == 0 and sum(size << i for i, size in enumerate(sizes)) == count, "another number of items")
    return {"k": k, "seed": seed, "coins": coins, "count": count, "range": (least, most), "levels": [data.floats(size) for size in sizes]}


def gk(data):
    zero, epsilon, count, tuples = data.number(4), data.array("<f8", 1)[0], data.number(8), data.number(8)
    g, spread = data.array("<u8", tuples), data.array("<u8", tuples)
    check(zero == 0 and g.sum() == count, "another number of items")
    return {"epsilon": epsilon, "count": count, "g": g, "delta": spread, "values": data.floats(tuples)}


def histogram(data):
    zero, refine, count = data.number(4), data.array("<f8", 1)[0], data.number(8)
    least, most = data.floats(2)
    entries = data.array("<u4", 4).tolist()
    check(zero == 0, "a number that is not 0")
    head = {"refine": refine, "count": count, "range": (least, most)}
    if not any(entries):
        return {**head, "items": data.floats(count)}
    levels = []
    for size in entries:
        pairs, index = [], -1
        for _ in range(size):
            index += varint(data) + 1
            pairs.append((index, varint(data) + 1))
        levels.append(pairs)
    check(sum(n for level in levels for _, n in level) == count, "another number of items")
    return {**head, "levels": levels}


def varint(data):
    x, shift, more = 0, 0, 128
    while more & 128:
        more = data.number(1)
        x, shift = x | (more & 127) << shift, shift + 7
    return x

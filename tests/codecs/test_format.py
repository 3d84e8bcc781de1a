"""FORMAT.md is enough: format_reader.py, written from that page alone, decodes to the same keys and float32 values, bit for bit.

The golden messages; longer random ones for each coder, whose branches are seen to occur; damaged ones, which both refuse or read alike.
"""

import ast
import re
import runpy
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import gradwire as gw
from gradwire import spec as registry
from gradwire.errors import CorruptMessage
from gradwire.message import Message
from gradwire.testing import inputs

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "src" / "gradwire" / "codecs" / "FORMAT.md").read_text()
READER = runpy.run_path(str(HERE / "format_reader.py"))
GOLDEN = runpy.run_path(str(HERE / "test_golden.py"))
read, read_sketch, STEP = READER["read"], READER["sketch"], GOLDEN["STEP"]


def same(data, codec, spec, step=STEP):
    """The reader agrees with gradwire about these bytes. Returns gradwire's gradient."""
    expected = codec.decode(Message.from_bytes(data), step)
    dim, keys, values = read(data, spec, step.index, step.seed)
    assert dim == expected.dim and values.dtype == np.float32
    assert (keys is None) == expected.is_dense and (keys is None or np.array_equal(keys, expected.keys))
    assert np.array_equal(values.view(np.uint32), expected.values.view(np.uint32))
    return expected


def round_trip(spec, gradient, step=STEP):
    codec = gw.codec(spec)
    message = codec.encode(gradient, step)
    same(bytes(message), codec, spec, step)
    return message


@pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
@pytest.mark.parametrize("spec", GOLDEN["SPECS"])
def test_golden_messages(spec, dense):
    same(GOLDEN["golden_path"](spec, dense).read_bytes(), gw.codec(spec), spec)


# ---- the page and the reader


def test_the_reader_knows_nothing_of_gradwire():
    tree = ast.parse((HERE / "format_reader.py").read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} - sys.stdlib_module_names == {"numpy", "xxhash"}


@pytest.mark.parametrize("kind", ["keys", "values"])
def test_every_coder_has_a_heading(kind):
    section = re.split("^## ", PAGE, flags=re.MULTILINE)
    text = next(s for s in section if s.startswith({"keys": "Key coders", "values": "Value coders"}[kind]))
    assert re.findall("^### (.+)$", text, re.MULTILINE) == sorted(registry.BUILTIN[kind], key=lambda name: text.find(f"### {name}\n"))


def rows(head):
    """{name: rest of the row} of the table whose first row begins so."""
    table = re.search(rf"^\| {head} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)[1]
    cells = [re.split(r" *\| *", line)[1:3] for line in table.splitlines()]
    return {name: rest for names, rest in cells for name in names.split(", ")}


@pytest.mark.parametrize(("kind", "head"), [("keys", "keys"), ("values", "values"), ("sparsifiers", "sparsifier"), ("codecs", "preset")])
def test_everything_has_its_row(kind, head):
    assert rows(head).keys() == registry.BUILTIN[kind].keys()


@pytest.mark.parametrize("kind", ["keys", "values", "sparsifiers"])
def test_options_and_their_defaults(kind):
    written = rows(kind.removesuffix("s") if kind == "sparsifiers" else kind)
    for name, options in written.items():
        part = registry.one(kind, name)
        expected = {key: getattr(part, key) for key in type(part).__dataclass_fields__}
        found = dict(option.replace("*", "").split("=") for option in options.split(", ") if option)
        assert [*found] == [*expected], name
        assert {key: READER["value"](text) for key, text in found.items()} == expected, name
        assert READER["PARTS"][kind][name] == expected and [*READER["PARTS"][kind][name]] == [*expected], name


def test_every_sketch_has_its_column():
    head = next(line for line in PAGE.splitlines() if line.startswith("| exact |"))
    assert set(head.strip("| ").split(" | ")) == registry.BUILTIN["sketches"].keys()


@pytest.mark.parametrize(
    "spec",
    [
        'natural(keys="bitflag(widths=optimal)", rounding=nearest)', "qsgd(p=inf, keys=raw)", "sign(keys=rice)", "fastsgd(base=2, scale=none)",
        "none(force=true)", 'byteflag(lengths="124")+fp32', "bitflag(flag_bits=3)+natural(bits=8)", "terngrad(clip=1e-5)", "fp32",
        'topk(ratio=1)+adaptive(candidates="raw+rle")+dithering(p=1)', "dithering", "threshold(t=1e-30)+bitmap(max_dim=9000)",
        'raw+quantile(sketch="kll(k=100)")', "sampled_topk(k=5, sample=1)+deflate(level=9)", "randomk(scale=none, k=9)+raw+onebit",
        'partitioned-fastsgd(length_bits=3, width_bits=2, tau=100)', 'sketchml-quan(buckets=9, exact_tail=0.5)', "skcompress(rows=3, groups=4)",
    ],
)  # fmt: skip
def test_specifications(spec):
    for dense in (False, True):
        round_trip(spec, GOLDEN["gradient"](dense))


# ---- keys


def key_sets():
    rng = np.random.default_rng(8)
    runs = np.concatenate([np.arange(start, start + length) for start, length in zip(range(0, 10**6, 10**4), rng.integers(1, 200, 30))])
    zipf = rng.zipf(1.3, 4000).clip(max=2**20)
    return {
        "mixed": (np.concatenate([zipf, rng.integers(0, 2**26, 1500), np.arange(5000, 6500)]), 2**26),
        "even": (np.cumsum(rng.geometric(0.02, 5000)), 2**19),
        "wide": (np.concatenate([rng.integers(0, 2**32, 3000), [2**32 - 1]]), 2**32),
        "runs": (np.concatenate([runs, [2**29]]), 2**31 + 5),
        "long runs": (np.concatenate([np.arange(3, 140_003), np.arange(200_000, 265_535), [300_000]]), 300_001),
        "crowded": (np.flatnonzero(rng.random(9001) < 0.6), 9001),
        "repeated": (np.cumsum(np.tile(rng.integers(1, 2**20, 40), 60)), 2**32),
        "far": (np.cumsum(np.where(np.arange(3000) % 90 == 7, 10**6, rng.geometric(0.2, 3000))), 2**26),
        "few": (rng.integers(0, 10**6, 900), 10**6),
        "first": ([0], 1),
        "last": ([2**32 - 1], 2**32),
        "none": ([], 77),
    }


KEY_SETS = {name: (np.unique(np.asarray(keys, np.uint32)), dim) for name, (keys, dim) in key_sets().items()}
KEYS = [
    "raw", "byteflag", "byteflag(lengths=124)", *(f"bitflag(flag_bits={f}, widths={w})" for f in range(6) for w in ("multiples", "optimal")),
    *(f"partitioned(length_bits={b}, width_bits={f})" for b, f in ((0, 1), (3, 2), (6, 3), (8, 4), (2, 5), (6, 5))),
    *(f"rice(block={b})" for b in (32, 64, 128, 256)), "golomb", "elias_fano", "bitmap", "rle", "huffman", "deflate", "adaptive",
    "adaptive(candidates=partitioned)",
]  # fmt: skip


def coded_keys(spec):
    """{name: payload} of the key sets that the coder takes, each read again as a message."""
    sections = {}
    for name, (keys, dim) in KEY_SETS.items():
        if spec == "bitmap" and dim > 2**26:
            continue
        values = np.arange(1, len(keys) + 1, dtype=np.float32)
        sections[name] = round_trip(f"{spec}+bf16", gw.Gradient(values, dim, keys)).sections["keys"]
    return sections


@pytest.mark.parametrize("spec", KEYS)
def test_long_keys(spec):
    coded_keys(spec)


def test_rice_uses_all_it_has():
    seen = Counter()
    for name, payload in coded_keys("rice(block=32)").items():
        seen.update(payload[: -(-len(KEY_SETS[name][0]) // 32)])
    assert seen[32] and seen[32 | 64] and len(seen) > 20
    assert any(head > 64 and head & 63 < 32 for head in seen)


def test_huffman_keys_have_all_kinds_of_streams():
    modes = {(len(KEY_SETS[name][0]) < 1024, payload[5]) for name, payload in coded_keys("huffman").items() if payload}
    assert {(True, 0), (True, 1), (False, 1)} <= modes


def test_adaptive_chooses_many():
    chosen = {payload[1 : 1 + payload[0]].decode() for payload in coded_keys("adaptive").values()}
    assert len(chosen) >= 5 and chosen >= {"rle", "bitmap", "deflate"}, chosen


# ---- values


def value_sets():
    rng = np.random.default_rng(9)
    signs = rng.choice([-1, 1], 3001)
    heavy = signs * rng.lognormal(-9, 2.5, 3001)
    return {
        "heavy": heavy,
        "normal": rng.normal(size=1500),
        "zeros": np.where(rng.random(900) < 0.4, 0, heavy[:900]),
        "below zero": -np.abs(heavy[:1030]),
        "constant": np.full(70, -0.3),
        "subnormal": signs[:700] * rng.integers(0, 1000, 700) * 2.0**-149,
        "tiny": rng.normal(size=400) * 2.0**-70,
        "huge": rng.uniform(-1, 1, 500) * np.finfo(np.float32).max,
        "one": [0.1],
        "zero": [0.0, -0.0, 0.0],
    }


VALUE_SETS = {name: np.asarray(values, np.float32) for name, values in value_sets().items()}
VALUES = [
    "fp32", "fp16", "bf16", *(f"uniform(bits={b}, coding={c})" for b in (1, 3, 8, 11, 16) for c in ("fixed", "huffman")),
    *(f"zipml_optimal(bits={b})" for b in (1, 4, 8)), "natural", "natural(bits=8)",
    *(f"logquant(tau={t}, base={b}, scale={s}, coding={c})" for t, b in ((2, 1.5), (100, 1.1), (1500, 1.01)) for s in ("max", "none") for c in ("fixed", "huffman")),
    *(f"quantile(buckets={q}, exact_tail={x}, coding={c})" for q, x in ((3, 0.1), (256, 0), (257, 0.02), (4096, 0.01)) for c in ("fixed", "huffman")),
    *(f"dithering(levels={u}, p={p}, group_size={g}, coding={c})"
      for u, p, g in ((1, "inf", 512), (100, 2, 0), (1000, 1, 33), (32767, "inf", 7)) for c in ("fixed", "elias", "huffman")),
    *(f"natural_dithering(levels={s}, p={p}, group_size={g}, norm={n}, coding={c})"
      for s, p, g, n in ((1, "inf", 5, "natural"), (8, 2, 0, "fp32"), (64, "inf", 50, "fp32")) for c in ("fixed", "elias", "huffman")),
    "terngrad", "terngrad(group_size=13, clip=1.5)", "onebit", "onebit(group_size=3)", "sign", "sign(group_size=100)",
]  # fmt: skip


@pytest.mark.parametrize("spec", VALUES)
def test_long_values(spec):
    for values in VALUE_SETS.values():
        gradients = [gw.Gradient(values, len(values)), gw.Gradient(values, 2 * len(values), np.arange(1, 2 * len(values), 2))]
        for gradient in gradients:
            round_trip(f"raw+{spec}", gradient)
    round_trip(f"raw+{spec}", gw.Gradient(np.empty(0, np.float32), 5, np.empty(0, np.uint32)))


MINMAX = [
    "minmax", "minmax(groups=2, rows=1, buckets=4)", "minmax(buckets=16, groups=5, rows=3, col_ratio=2.7, exact_tail=0.1)",
    "minmax(buckets=2048, groups=3, coding=huffman)", "minmax(buckets=4096, groups=2, col_ratio=1, exact_tail=0.5, center=mean)",
    "minmax(buckets=512, groups=254, rows=16, signs=split)", "minmax(buckets=4, groups=2, coding=huffman, col_ratio=0.01)",
]  # fmt: skip


@pytest.mark.parametrize("spec", MINMAX)
def test_long_groups(spec):
    keys, dim = KEY_SETS["mixed"]
    for values in VALUE_SETS.values():
        for coder in ("byteflag", "rice", "adaptive"):
            round_trip(f"{coder}+{spec}", gw.Gradient(values, dim, keys[: len(values)]))
        round_trip(f"raw+{spec}", gw.Gradient(values, len(values)))
    round_trip(f"rle+{spec}", gw.Gradient(np.empty(0, np.float32), 5, np.empty(0, np.uint32)))


# ---- shared coordinates


@pytest.mark.parametrize("values", ["fp32", "natural", "dithering(p=inf)", "quantile(buckets=9)", "terngrad", "minmax", "logquant"])
@pytest.mark.parametrize(
    ("amount", "dim"), [("k=9", 2**32), ("k=300", 1000), ("k=800", 1000), ("k=50", 17), ("ratio=0.07", 100), ("ratio=1e-9", 1)]
)
def test_shared_coordinates(amount, dim, values):
    rng = np.random.default_rng(4)
    keys = np.unique(rng.integers(0, dim, 2000).astype(np.uint32))
    for step in (gw.Step(0, 0, 1), gw.Step(2**40, 2**64 - 3, 0)):
        round_trip(
            f"randomk({amount}, shared=true)+raw+{values}", gw.Gradient(rng.normal(size=len(keys)).astype(np.float32), dim, keys), step
        )


# ---- damage


@pytest.mark.parametrize("spec", [*GOLDEN["SPECS"], "huffman+natural(bits=8)", "rice(block=32)+fp16"])
def test_the_page_draws_the_same_line(spec):
    """A section with damaged bytes: both refuse it, or both read the same."""
    codec, seen = gw.codec(spec), Counter()
    message = codec.encode(GOLDEN["gradient"](False), STEP)
    head = {"dim": message.dim, "nnz": message.nnz, "spec_hash": message.spec_hash, "is_dense": message.is_dense}
    for name, payload in message.sections.items():
        for damaged in inputs.mutations(payload, 4, seed=len(spec)):
            data = bytes(Message.pack(sections={**message.sections, name: damaged}, **head))
            try:
                codec.decode(Message.from_bytes(data), STEP)
            except CorruptMessage:
                with pytest.raises(ValueError), np.errstate(all="ignore"):
                    read(data, spec, STEP.index, STEP.seed)
                seen["refused"] += 1
            else:
                same(data, codec, spec)
    assert seen["refused"] > 20


# ---- sketches


def filled(spec):
    """(sketch, all its items): two batches, the second after a merge."""
    values = np.random.default_rng(2).lognormal(-3, 2, 60_000).astype(np.float32) * np.float32(-1)
    values[::3] *= -1
    other = gw.sketch(spec).update(values[40_000:])
    return gw.sketch(spec).update(values[:40_000]).merge(other), values


def test_exact():
    sketch, values = filled("exact")
    assert np.array_equal(read_sketch(bytes(sketch))["items"], np.sort(values))


def test_kll():
    sketch, values = filled("kll(k=50, seed=7)")
    found = read_sketch(bytes(sketch))
    assert (found["k"], found["seed"], found["count"], found["range"]) == (50, 7, len(values), (values.min(), values.max()))
    items = np.concatenate(found["levels"])
    weights = np.repeat(1 << np.arange(len(found["levels"])), list(map(len, found["levels"])))
    order = np.argsort(items)
    at = items[order][np.searchsorted(np.cumsum(weights[order]), 0.25 * len(values))]
    assert at == sketch.quantiles([0.25])[0] and found["coins"] > 0 and np.isin(items, values).all()


def test_gk():
    sketch, values = filled("gk(epsilon=0.01)")
    found = read_sketch(bytes(sketch))
    assert (found["epsilon"], found["count"], len(found["g"])) == (0.01, len(values), len(sketch))
    least = np.cumsum(found["g"])
    ranks = np.searchsorted(np.sort(values), found["values"], side="left"), np.searchsorted(np.sort(values), found["values"], side="right")
    assert (least <= ranks[1]).all() and (ranks[0] < least + found["delta"]).all()


def test_histogram():
    sketch, values = filled("histogram(refine=0.001)")
    found = read_sketch(bytes(sketch))
    assert (found["refine"], found["count"], found["range"]) == (0.001, len(values), (values.min(), values.max()))
    bits = values.view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits ^ 0x80000000).astype(np.uint32)
    counted = Counter()
    for level, shift in zip(found["levels"], (0, 4, 8, 16)):
        for index, count in level:
            counted[index >> shift] += count
    assert counted == Counter((ordered >> 16).tolist())
    assert found["levels"][1], "no bin is open"


def test_histogram_of_few():
    sketch = gw.sketch("histogram").update([3.0, -1.0, -0.0])
    assert read_sketch(bytes(sketch))["items"].tolist() == [-1, 0, 3]

"""Specification strings and the registry behind them.

    spec  = part { "+" part }            sparsifier, keys, values: in that order, each optional
    part  = name [ "(" key=value, … ")" ]
    value = number | true | false | none | word | "quoted"

A lone name that is a preset is that preset. A part that is not named defaults to: no sparsifier, keys `adaptive` (none for a
dense gradient), values fp32. Names are unique across the three kinds of parts. Nothing is evaluated as code.

Plug-ins are found by name through the entry-point groups gradwire.codecs, .keys, .values, .sparsifiers, .sketches,
.collectives, .models, .datasets and .optimizers; the built-in ones stand in BUILTIN and are imported when first asked for.
"""

import importlib
import re
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import entry_points

from ._ext import simd as _simd
from .errors import ConfigError, unknown

BUILTIN = {
    "codecs": {
        "none": "codecs.none:Uncompressed",
        "fp16": "codecs.half:Float16",
        "bf16": "codecs.half:BFloat16",
        "adam-sparse": "codecs.adam_sparse:AdamSparse",
        "zipml": "codecs.zipml:ZipML",
        "fastsgd": "codecs.fastsgd:FastSGD",
        "partitioned-fastsgd": "codecs.partitioned_fastsgd:PartitionedFastSGD",
        "sketchml": "codecs.sketchml:SketchML",
        "sketchml-quan": "codecs.sketchml_quan:SketchMLQuan",
        "sketchml-key": "codecs.sketchml_key:SketchMLKey",
        "skcompress": "codecs.skcompress:SKCompress",
        "natural": "codecs.natural:Natural",
        "natural_dithering": "codecs.natural_dithering:NaturalDithering",
        "qsgd": "codecs.qsgd:QSGD",
        "terngrad": "codecs.terngrad:TernGrad",
        "onebit": "codecs.onebit:OneBit",
        "sign": "codecs.sign:Sign",
        "intsgd": "codecs.intsgd:IntSGD",
    },
    "keys": {
        "raw": "codecs.keys.raw:Raw",
        "byteflag": "codecs.keys.byteflag:ByteFlag",
        "bitflag": "codecs.keys.bitflag:BitFlag",
        "partitioned": "codecs.keys.partitioned:Partitioned",
        "rice": "codecs.keys.rice:Rice",
        "golomb": "codecs.keys.golomb:Golomb",
        "elias_fano": "codecs.keys.elias_fano:EliasFano",
        "bitmap": "codecs.keys.bitmap:Bitmap",
        "rle": "codecs.keys.rle:RunLength",
        "huffman": "codecs.keys.huffman:Huffman",
        "deflate": "codecs.keys.deflate:Deflate",
        "adaptive": "codecs.keys.adaptive:Adaptive",
    },
    "values": {
        "fp32": "codecs.values.fp32:Float32Values",
        "fp16": "codecs.values.fp16:Float16Values",
        "bf16": "codecs.values.bf16:BFloat16Values",
        "uniform": "codecs.values.uniform:Uniform",
        "zipml_optimal": "codecs.values.zipml_optimal:ZipMLOptimal",
        "logquant": "codecs.values.logquant:LogQuant",
        "quantile": "codecs.values.quantile:Quantile",
        "minmax": "codecs.values.minmax:MinMax",
        "natural": "codecs.values.natural:NaturalValues",
        "dithering": "codecs.values.dithering:Dithering",
        "natural_dithering": "codecs.values.natural_dithering:NaturalDitheringValues",
        "terngrad": "codecs.values.terngrad:TernGradValues",
        "onebit": "codecs.values.onebit:OneBitValues",
        "sign": "codecs.values.sign:SignValues",
        "integer": "codecs.values.integer:Integer",
    },
    "sparsifiers": {
        "nonzero": "codecs.sparsifiers.nonzero:NonZero",
        "topk": "codecs.sparsifiers.topk:TopK",
        "sampled_topk": "codecs.sparsifiers.sampled_topk:SampledTopK",
        "threshold": "codecs.sparsifiers.threshold:Threshold",
        "randomk": "codecs.sparsifiers.randomk:RandomK",
    },
    "sketches": {
        "histogram": "codecs.sketches.histogram:Histogram",
        "kll": "codecs.sketches.kll:KLL",
        "gk": "codecs.sketches.gk:GK",
        "exact": "codecs.sketches.exact:Exact",
    },
    "collectives": {
        "gather_bcast": "collectives.gather_bcast:GatherBcast",
        "allgather": "collectives.allgather:Allgather",
        "allreduce": "collectives.allreduce:Allreduce",
        "reduce_scatter": "collectives.reduce_scatter:ReduceScatter",
        "hierarchical": "collectives.hierarchical:Hierarchical",
        "switch": "collectives.switch:Switch",
        "powersgd": "collectives.powersgd:PowerSGD",
    },
    "models": {
        "logistic": "models.logistic:Logistic",
        "svm": "models.svm:SVM",
        "linear": "models.linear:Linear",
        "mlp": "models.mlp:MLP",
        "cnn": "models.cnn:CNN",
        "transformer": "models.transformer:Transformer",
    },
    "optimizers": {
        "sgd": "optimizers.sgd:SGD",
        "momentum": "optimizers.momentum:Momentum",
        "adam": "optimizers.adam:Adam",
        "adagrad": "optimizers.adagrad:AdaGrad",
    },
    "datasets": {
        "flights": "data.flights:Flights",
        "news20": "data.news20:News20",
        "debian-contents": "data.contents:DebianContents",
        "fashion-mnist": "data.fashion_mnist:FashionMNIST",
        "mnist5k": "data.mnist5k:MNIST5k",
        "shakespeare": "data.shakespeare:Shakespeare",
        "libsvm": "data.libsvm:LibSVM",
        "synthetic-kdd10": "data.synthetic:SyntheticKDD10",
        "synthetic-kdd12": "data.synthetic:SyntheticKDD12",
        "synthetic-ctr": "data.synthetic_ctr:SyntheticCTR",
        "kdda": "data.libsvm_page:KDDA",
        "kddb": "data.libsvm_page:KDDB",
        "kdd12": "data.libsvm_page:KDD12",
        "criteo": "data.libsvm_page:Criteo",
        "avazu": "data.libsvm_page:Avazu",
        "url": "data.libsvm_page:URL",
        "webspam": "data.libsvm_page:Webspam",
        "news20.binary": "data.libsvm_page:News20Binary",
        "rcv1": "data.libsvm_page:RCV1",
    },
}

MOST_CHARACTERS = 4096
_PART = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(?:\((.*)\))?\s*", re.DOTALL)
_ARGUMENT = re.compile(r'\s*([A-Za-z_]\w*)\s*=\s*("[^"]*"|[^",=()\s]+)\s*')
_WORDS = {"true": True, "false": False, "none": None, "True": True, "False": False, "None": None}


@cache
def _plugins(kind):
    return {point.name: point for point in entry_points(group=f"gradwire.{kind}")}


def plugin_versions():
    """{name of a distribution that has plug-ins: its version}."""
    found = [point.dist for kind in BUILTIN for point in _plugins(kind).values() if point.dist]
    return {dist.name: dist.version for dist in found}


def names(kind):
    """All names of a kind: the built-in ones in their order, then plug-ins. ConfigError for an impossible GRADWIRE_SIMD."""
    _simd.check()
    return [*BUILTIN[kind], *(name for name in _plugins(kind) if name not in BUILTIN[kind])]


@cache
def lookup(kind, name):
    """The class that `name` stands for. ConfigError for an unknown one, naming the known, or for an impossible GRADWIRE_SIMD."""
    _simd.check()
    if name in BUILTIN[kind]:
        module, _, attribute = BUILTIN[kind][name].partition(":")
        return getattr(importlib.import_module(f"gradwire.{module}"), attribute)
    if name in _plugins(kind):
        return _plugins(kind)[name].load()
    raise ConfigError(unknown(kind, name, names(kind)))


def split(spec):
    """'a(x=1)+b' → [("a", {"x": 1}), ("b", {})]."""
    if not isinstance(spec, str) or not spec.strip():
        raise ConfigError(f"expected a specification string such as 'topk(ratio=0.01)+natural', got {spec!r}")
    if len(spec) > MOST_CHARACTERS:
        raise ConfigError(f"expected a specification string of at most {MOST_CHARACTERS} characters, got {len(spec)}")
    return [_parse_part(part, spec) for part in _split_outside(spec, "+")]


def build(kind, name, arguments):
    """An instance of `name` with these arguments; ConfigError names the known arguments and what was wrong."""
    cls = lookup(kind, name)
    known = [f.name for f in fields(cls) if f.init] if is_dataclass(cls) else list(getattr(cls, "arguments", ()))
    for key in arguments:
        if key not in known:
            raise ConfigError(f"{name}: {unknown('argument', key, known) if known else f'takes no arguments, got {key!r}'}")
    try:
        return cls(**arguments)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: cannot be made with {arguments}: {error}") from error


def one(kind, spec):
    """The single part of `kind` that `spec` names."""
    parts = split(spec)
    if len(parts) != 1:
        raise ConfigError(f"expected one name of {kind}, got {spec!r}")
    return build(kind, *parts[0])


def codec(spec):
    """Codec of a specification string; a Codec is returned as it is."""
    from .codecs.base import Codec
    from .codecs.composed import Composed

    if isinstance(spec, Codec):
        return spec
    parts = split(spec)
    if len(parts) == 1 and parts[0][0] in names("codecs"):
        return build("codecs", *parts[0])
    chosen = {}
    order = ("sparsifiers", "keys", "values")
    for name, arguments in parts:
        kind = next((k for k in order if name in names(k)), None)
        if kind is None:
            alone = f"; {name!r} is a whole codec and cannot be combined" if name in names("codecs") else ""
            known = [n for k in order for n in names(k)] + (names("codecs") if len(parts) == 1 else [])
            raise ConfigError(f"{unknown(_expected(chosen), name, known)}{alone}")
        if kind in chosen or any(order.index(k) > order.index(kind) for k in chosen):
            raise ConfigError(f"expected sparsifier+keys+values in that order, each at most once, got {spec!r}: {name!r} is of {kind}")
        chosen[kind] = build(kind, name, arguments)
    return Composed(chosen.get("sparsifiers"), chosen.get("keys") or one("keys", "adaptive"), chosen.get("values") or one("values", "fp32"))


def _expected(chosen):
    """What an unknown name was most likely meant to be: the kind that still has to come."""
    return "values" if "keys" in chosen or "sparsifiers" in chosen else "codec or part"


def _split_outside(text, separator):
    """Split at separators outside parentheses and quotes."""
    pieces, depth, quoted, start = [], 0, False, 0
    for i, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif not quoted:
            depth += (char == "(") - (char == ")")
            if char == separator and depth == 0:
                pieces.append(text[start:i])
                start = i + 1
    if depth or quoted:
        raise ConfigError(f"unbalanced {'quotes' if quoted else 'parentheses'} in {text!r}")
    return [*pieces, text[start:]]


def _parse_part(part, spec):
    match = _PART.fullmatch(part)
    if not match:
        raise ConfigError(f"expected name or name(key=value, …), got {part.strip()!r} in {spec!r}")
    name, inside = match.groups()
    arguments = {}
    for piece in _split_outside(inside, ",") if inside and inside.strip() else []:
        found = _ARGUMENT.fullmatch(piece)
        if not found:
            raise ConfigError(f"expected key=value, got {piece.strip()!r} in {spec!r}")
        key, text = found.groups()
        if key in arguments:
            raise ConfigError(f"argument {key!r} is given twice in {spec!r}")
        arguments[key] = _parse_value(text)
    return name, arguments


def _parse_value(text):
    if text.startswith('"'):
        return text[1:-1]
    if text in _WORDS:
        return _WORDS[text]
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text

"""`gradwire bench codecs`: size, speed and error of every coder, sparsifier, sketch and codec, on synthetic and recorded gradients.

Bits are those of the payloads that were made (whole messages for codecs, header and padding included), never of a formula. Speeds
are of the Python methods that training calls, on one core. It measures no network and no convergence.
"""

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from .. import environment, spec
from ..errors import ConfigError, GradwireError
from ..recorder import write_rows
from ..report.codecs import COLUMNS, SCHEMA, SCHEMA_VERSION
from . import inputs, peers
from .contenders import MAKE
from .timing import measure, memcpy, speeds

COPIES = 4
KEYS = ("bitflag(widths=optimal)",)
VALUES = (
    "uniform(bits=8)", "uniform(bits=8, rounding=stochastic)", "zipml_optimal(bits=4)", "logquant(tau=32)", "natural(bits=8)",
    "natural(rounding=nearest)", "quantile(center=mean)", "quantile(center=mean, exact_tail=0.01)", "minmax(center=mean)",
)  # fmt: skip
SPARSIFIERS = ("topk(ratio=0.001)", "topk(ratio=0.1)", "randomk(ratio=0.1)")
CODECS = (
    "nonzero+fp16", "nonzero+natural(bits=8)", "nonzero+logquant(tau=16)", "nonzero+logquant(tau=32)",
    "nonzero+uniform(bits=4, rounding=stochastic)", "nonzero+uniform(bits=8, rounding=stochastic)", "nonzero+zipml_optimal(bits=4)",
    "nonzero+quantile(buckets=16, center=mean)", "nonzero+quantile(center=mean)", "nonzero+quantile(center=mean, exact_tail=0.01)",
    "sketchml(center=mean)", "skcompress(center=mean)", "nonzero+dithering(levels=7)", "nonzero+dithering(levels=7, coding=elias)",
    "topk(ratio=0.01)+fp32", "topk(ratio=0.1)+fp32", "topk(ratio=0.01)+natural", "topk(ratio=0.1)+natural",
    "topk(ratio=0.1)+fp16", "topk(ratio=0.1)+quantile(buckets=16, center=mean)", "randomk(ratio=0.1)+fp32", "randomk(ratio=0.1)+natural",
)  # fmt: skip


def run(specs=(), *, gradients=None, with_peers=False, nnz=10**6, repeats=21, progress=iter):
    """(rows, notes): a dict of COLUMNS for each case, and a line for each case that was refused, with the reason.

    specs: only these; all registered names and the settings above if there are none. gradients: path of recorded gradients, instead of
    synthetic ones. progress: wraps the list of cases, such as tqdm.
    """
    wanted = _of_specs(specs) if specs else _everything()
    cases, notes = [], []
    for given in _inputs(wanted, gradients, nnz):
        for kind, text in wanted:
            if not _fits(kind, given):
                continue
            try:
                cases.append(MAKE[kind](text, given))
            except Exception as error:  # a plug-in may raise anything
                notes.append(f"{text} on {given.name}: {_reason(error)}")
        if with_peers:
            cases += [case for case in peers.cases(given) if any(kind == case.kind for kind, _ in wanted)]
    notes += peers.missing() if with_peers else []
    rows = []
    for case in progress(cases):
        try:
            rows.append(_row(case, repeats))
        except Exception as error:
            notes.append(f"{case.spec} on {case.input.name}: {_reason(error)}")
    if not rows:
        raise ConfigError("nothing to measure: " + ("; ".join(notes) or "no part fits these inputs"))
    return rows, notes


def path(results):
    """Where a measurement of now belongs."""
    return Path(results) / "bench" / f"codecs-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.hdf5"


def save(path, rows, notes):
    """Write the rows as columns of an HDF5 file, with what they were measured on."""
    found = {"notes": "\n".join(notes), "inputs": inputs.meanings({row["input"] for row in rows})}
    write_rows(path, SCHEMA, SCHEMA_VERSION, environment.machine() | found, COLUMNS, rows)


def _reason(error):
    return str(error) if isinstance(error, GradwireError) else f"{type(error).__name__}: {error}"


def _everything():
    extra = {"keys": KEYS, "values": VALUES, "sparsifiers": SPARSIFIERS, "codecs": CODECS}
    return [(kind, text) for kind in MAKE for text in (*spec.names(kind), *extra.get(kind, ()))]


def _of_specs(specs):
    """[(kind, spec)]: a lone name counts once for each kind that has it, a composition is a codec."""
    found = []
    for text in specs:
        parts = spec.split(text)
        kinds = [kind for kind in MAKE if len(parts) == 1 and parts[0][0] in spec.names(kind)]
        if not kinds:
            spec.codec(text)  # raises for an unknown name
        found += [(kind, text) for kind in kinds or ["codecs"]]
        for kind in kinds:
            _ = spec.codec(text) if kind == "codecs" else spec.one(kind, text)
    return found


def _inputs(wanted, path, nnz):
    """The inputs that the wanted kinds need, one after the other."""
    if path:
        yield from inputs.recorded(path, COPIES)
        return
    kinds = {kind for kind, _ in wanted}
    if kinds & {"keys", "codecs"}:
        for keys in inputs.KEYS if "keys" in kinds else ("zipf",):
            yield inputs.synthetic(keys, "lognormal", nnz, COPIES)
    if "codecs" in kinds:
        yield inputs.synthetic("zipf", "gaussian", nnz, COPIES)
    if kinds & {"values", "sparsifiers", "sketches"}:
        for values in inputs.VALUES:
            yield inputs.dense(values, nnz, COPIES)


def _fits(kind, given):
    """Does this kind run on this input? Recorded gradients take all; of the synthetic ones each kind has its own."""
    keys, _, values = given.name.partition("/")
    if keys == "recorded":
        return kind != "keys" or not given.gradients[0].is_dense
    if kind == "keys":
        return keys != "dense" and values == "lognormal"
    return keys == "zipf" if kind == "codecs" else keys == "dense"


def _row(case, repeats):
    given, first = case.input, case.input.gradients[0]
    payloads = [case.encode(i) for i in range(len(given.gradients))]
    calls = {"memcpy": memcpy(case.arrays), "encode": case.encode}
    if case.decode:
        calls["decode"] = lambda i: case.decode(i, payloads[i])
    seconds = measure(calls, len(payloads), repeats)
    elements = [len(array) for array in case.arrays]
    row = dict.fromkeys(COLUMNS, math.nan)
    row |= {"kind": case.kind, "spec": case.spec, "input": given.name, "peer": case.peer, "nnz": given.nnz, "dim": first.dim}
    row |= {"rounds": len(seconds["encode"]), "model_entropy_bits": given.model_entropy} | given.bounds
    for name in calls.keys() - {"memcpy"}:
        row |= speeds(seconds, elements, name)
    row["memcpy_m_per_s"] = float(np.median([elements[i % len(elements)] / s / 1e6 for i, s in enumerate(seconds["memcpy"])]))
    described = [case.describe(i, payload) for i, payload in enumerate(payloads)]
    return row | {name: float(np.mean([each[name] for each in described])) for name in described[0]} | case.quality()

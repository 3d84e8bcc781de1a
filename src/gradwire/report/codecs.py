"""The table and the rate–distortion figure of `gradwire bench codecs`, made from its HDF5 file and nothing else.

<results>/bench/codecs-<time>.hdf5      one column per measure, one row per part and input
<results>/tables/codecs.md and .csv     all columns
<results>/figures/codecs.png and .pdf

A measurement of everything has these names; one of some specifications, or of recorded gradients, the name of its HDF5 file.
"""

from pathlib import Path

import numpy as np

from ..recorder import read_rows
from .layout import MISSING, Block, as_csv, as_markdown, as_text, significant
from .whole import write_text

SCHEMA, SCHEMA_VERSION = "gradwire-bench-codecs", 1

COLUMNS = {
    "kind": ("text", "keys, values, sparsifiers, sketches or codecs"),
    "spec": ("text", "specification, or the name of a peer"),
    "input": ("text", "keys/values of synthetic gradients, or recorded ones"),
    "peer": ("text", "library and version of a peer; empty for gradwire's own"),
    "nnz": ("1", "entries of the input, mean over the copies"),
    "dim": ("1", "dimension of the input"),
    "bits": ("bit", "payload per entry of the input; for codecs the whole message"),
    "keys_bits": ("bit", "of these, section keys"),
    "values_bits": ("bit", "section values"),
    "tables_bits": ("bit", "section tables"),
    "header_bits": ("bit", "header and padding"),
    "kept": ("1", "share of the entries that are sent"),
    "bound_bits": ("bit", "log2 C(dim, nnz) / nnz: any key set of that size"),
    "gap_entropy_bits": ("bit", "empirical entropy of the gaps, per key"),
    "model_entropy_bits": ("bit", "entropy of the model that drew the keys, per key"),
    "value_entropy_bits": ("bit", "empirical entropy of the values' bit patterns, per value"),
    "shannon_bits": ("bit", "Shannon's lower bound for independent values at vNMSE 1; at another one minus log2(vNMSE) / 2"),
    **{
        f"{way}_{name}": about
        for way in ("encode", "decode")
        for name, about in (
            ("m_per_s", ("1e6/s", f"entries {way}d per second, median")),
            ("m_per_s_low", ("1e6/s", "lower end of the median's 95% interval")),
            ("m_per_s_high", ("1e6/s", "upper end of the median's 95% interval")),
            ("per_memcpy", ("1", "speed over that of memcpy of 4 bytes per entry, median of the rounds' ratios")),
        )
    },
    "memcpy_m_per_s": ("1e6/s", "memcpy of 4 bytes per entry in the same rounds"),
    "rounds": ("1", "timed calls"),
    "vnmse": ("1", "|x - decoded|^2 / |x|^2, mean over the repeats"),
    "cosine": ("1", "cosine of x and decoded"),
    "max_error": ("1", "largest |x - decoded| over largest |x|"),
    "bias": ("1", "|mean of decoded over the repeats - x| / |x|"),
    "bias_noise": ("1", "sqrt(vnmse / repeats): the bias that an unbiased codec would show"),
    "bias_repeats": ("1", "repeats; 1 if two were equal"),
    "omega": ("1", "claimed bound of the expected vnmse"),
    "rank_error": ("1", "largest rank error of 255 quantiles"),
    "rank_error_claim": ("1", "what the sketch guarantees"),
}
LEAST_FOR_INTERVAL = 6
"""Rounds below which a median has no 95% interval (bench/timing.py)."""
_BIAS = {"bias": "bias", "bias_noise": "unbiased\nwould show"}
_ERROR = {"vnmse": "vNMSE", "omega": "claimed\nω", "cosine": "cosine"}
_TITLES = {
    "keys": {"bits": "bits\n/key", "bound_bits": "log₂C\n/nnz", "gap_entropy_bits": "gap\nentropy", "model_entropy_bits": "model\nentropy"},
    "values": {"bits": "bits\n/value"} | _ERROR | {"max_error": "max\nerror"} | _BIAS,
    "sparsifiers": {"kept": "kept"} | _ERROR | _BIAS,
    "sketches": {"bits": "bits\n/value", "rank_error": "rank\nerror", "rank_error_claim": "claimed"},
    "codecs": {"bits": "bits\n/nonzero", "keys_bits": "keys", "values_bits": "values", "tables_bits": "tables", "kept": "kept"}
    | _ERROR
    | {"max_error": "max\nerror"}
    | _BIAS,
}
_SPEED = {
    "encode_m_per_s": "encode\nM/s",
    "encode_m_per_s_low": "(95%)",
    "encode_per_memcpy": "/mem-\ncpy",
    "decode_m_per_s": "decode\nM/s",
    "decode_m_per_s_low": "(95%)",
    "decode_per_memcpy": "/mem-\ncpy",
}
_WIDE = ("max_error", "tables_bits", "encode_m_per_s_low", "decode_m_per_s_low")
_WHAT = {
    "keys": "Key coders",
    "values": "Value coders",
    "sparsifiers": "Sparsifiers (encode: selection)",
    "sketches": "Quantile sketches (encode: update, decode: 255 quantiles)",
    "codecs": "Codecs (whole messages)",
}


def load(path):
    """(attributes, rows) of a file of `gradwire bench codecs`; rows are dicts of COLUMNS."""
    return read_rows(path, SCHEMA, SCHEMA_VERSION)


def summarise(path, results, name="codecs"):
    """Write tables and figures of the file as `name`; returns the table for the terminal, ending with the names of the files written."""
    from . import rates
    from .figure import save

    attributes, rows = load(path)
    stem = Path(results) / "tables" / name
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = [stem.with_suffix(".md"), stem.with_suffix(".csv")]
    write_text(written[0], markdown(attributes, rows))
    write_text(written[1], as_csv(COLUMNS, rows))
    figure = rates.draw(attributes, rows)
    if figure:
        stem = Path(results) / "figures" / name
        stem.parent.mkdir(parents=True, exist_ok=True)
        written += save(figure, stem)
    said = [f"wrote {each}" for each in (path, *written)]
    if not figure:
        said.append(f"no figure: no codec of at most {rates.WIDEST} bits per nonzero was measured")
    return "\n".join([text(attributes, rows), "", *said])


def text(attributes, rows):
    """The tables for a terminal, without the columns of _WIDE."""
    listed = [*notes(attributes, rows), "The Markdown table has the speeds' intervals, largest errors and tables' bits too."]
    return "\n\n".join([headline(attributes, rows), *map(as_text, _blocks(rows, without=_WIDE)), "\n".join(listed)])


def markdown(attributes, rows):
    """The tables for a page."""
    listed = "\n".join(f"- {note}" for note in notes(attributes, rows))
    return "\n\n".join(["# codecs", headline(attributes, rows), *map(as_markdown, _blocks(rows)), listed]) + "\n"


def headline(attributes, rows):
    """What was measured on what."""
    rates, rounds = [row["memcpy_m_per_s"] for row in rows], sorted({int(row["rounds"]) for row in rows})
    return (
        f"{attributes['cpu']}, {attributes['simd']} kernels, one core; memcpy {min(rates):,.0f}–{max(rates):,.0f} M entries/s; "
        f"{'–'.join(map(str, sorted({rounds[0], rounds[-1]})))} rounds a row; {attributes['started_at']}"
    )


def notes(attributes, rows):
    """How to read the tables, and what was left out."""
    lines = [
        "Speeds: median over rounds on rotated inputs and its 95% interval, below 6 rounds their range; "
        "/memcpy: over a copy of 4 bytes per entry in the same rounds.",
        "vNMSE: |x - decoded|²/|x|². bias: |mean of decoded over 16 repeats - x|/|x|, beside what an unbiased codec of that vNMSE shows.",
        "Bits: an uncompressed sparse pair has 64, a dense value 32; the codec `none` sends dense messages.",
    ]
    lines += [f"Inputs: {attributes['inputs']}."] if attributes.get("inputs") else []
    return [*lines, *(f"left out: {note}" for note in str(attributes.get("notes", "")).splitlines())]


def _blocks(rows, without=()):
    """A Block for each kind and input, smallest first."""
    groups = {}
    for row in rows:
        groups.setdefault((row["kind"], row["input"]), []).append(row)
    order = list(_WHAT)
    for (kind, given), members in sorted(groups.items(), key=lambda item: order.index(item[0][0])):
        columns = _TITLES[kind] | _SPEED
        columns = {name: title for name, title in columns.items() if name not in without and any(row[name] == row[name] for row in members)}
        if min(row["rounds"] for row in members) < LEAST_FOR_INTERVAL:
            columns = {name: title.replace("(95%)", "(range)") for name, title in columns.items()}
        members = sorted(members, key=lambda row: (row["bits"] if row["bits"] == row["bits"] else row["kept"], row["spec"]))
        first = members[0]
        size = f"{first['nnz']:,.0f} entries" + ("" if given.startswith("dense") else f" of dim {first['dim']:,.0f}")
        body = tuple((_name(row), *(_cell(row, name) for name in columns)) for row in members)
        yield Block(f"{_WHAT[kind]} on {given}: {size}", ("", *columns.values()), body)


def _name(row):
    return f"{row['spec']} [peer]" if row["peer"] else row["spec"]


def _cell(row, name):
    if name.endswith("_low"):
        low, high = row[name], row[name.replace("_low", "_high")]
        return f"{significant(low)}–{significant(high)}" if low == low else MISSING
    if name == "kept" and row[name] == row[name]:
        return f"{row[name]:.3%}" if row[name] < 0.9995 else "all"
    if name == "cosine" and row[name] == row[name]:
        return f"{row[name]:.5f}"
    return significant(row[name], 4 if name.endswith("bits") else 3)


def pareto(points):
    """Positions of the points (bits, vnmse) that no other one beats in both, by rising bits."""
    order = sorted(range(len(points)), key=lambda i: points[i])
    best, front = np.inf, []
    for i in order:
        if points[i][1] < best:
            best = points[i][1]
            front.append(i)
    return front

"""The summary table of an experiment: where each codec's time and bytes went, and what came of the training.

As terminal text, Markdown and CSV. The CSV has base units (seconds, bytes) and every measure, of rows that were not chosen (tuning.py)
too; the other two are for reading: blocks for accuracy where that is the aim, for speed-ups, for ranks if they differ, for time, for bytes
and accuracy, for the learning rates tried. A table without an uncompressed and a 16-bit row says so.
"""

import csv
import io
import math

from . import accuracy, describe, scaling, speed, tuning
from .layout import MISSING, Block, as_markdown, as_text, byte_unit, decimals_for, fixed, significant
from .measures import PHASES

_WITH_RANGE = ("epoch_time_s", "test_loss", "test_metric")


def text(collection, rows):
    """The table for a terminal."""
    headline, blocks, notes = _parts(collection, rows)
    return "\n\n".join([headline, *map(as_text, blocks), "\n".join(notes)])


def markdown(collection, rows):
    """The table for a page."""
    headline, blocks, notes = _parts(collection, rows)
    listed = "\n".join(f"- {note}" for note in notes)
    return "\n\n".join([f"# {collection.experiment}", headline, *map(as_markdown, blocks), listed]) + "\n"


def _parts(collection, rows):
    """(headline, blocks, notes)."""
    choices = tuning.choose(rows)
    shown = tuning.shown(rows, choices)
    blocks = [*accuracy.blocks(shown), *speed.blocks(shown), *scaling.blocks(shown), _time_block(shown), _bytes_block(shown)]
    notes = [*accuracy.notes(shown), *tuning.notes(choices), *speed.notes(shown), *describe.notes(collection, shown)]
    return describe.headline(collection, shown), [*blocks, *tuning.blocks(choices)], notes


def as_csv(rows):
    """One line for each row: who it is, every measure, and the range of the headline ones. Seconds, bytes; empty where unknown."""
    out = io.StringIO()
    writer = None
    shown = tuning.shown(rows, tuning.choose(rows))
    compared = {id(row.group.runs[0]): numbers for row, *numbers in zip(shown, speed.columns(shown), accuracy.columns(shown))}
    nothing = [dict.fromkeys(found, math.nan) for found in next(iter(compared.values()))]
    for row in rows:
        run = row.group.runs[0]
        cells = {"label": row.group.label, "spec": row.group.spec, "error_feedback": row.feedback, "finished": row.group.finished}
        cells["chosen"] = id(run) in compared
        cells |= {"repeats": len(row.group.runs), "epochs": row.epochs, "ranks": run.ranks_text, "cores": run.environment.get("cores", "")}
        cells |= {"network": run.environment.get("network", "")}
        for name, spread in row.measures.items():
            cells[name] = _csv_number(spread.median)
            if name in _WITH_RANGE:
                cells |= {f"{name}_low": _csv_number(spread.low), f"{name}_high": _csv_number(spread.high)}
        cells |= {name: _csv_number(number) for found in compared.get(id(run), nothing) for name, number in found.items()}
        if writer is None:
            writer = csv.DictWriter(out, list(cells), lineterminator="\n")
            writer.writeheader()
        writer.writerow(cells)
    return out.getvalue()


def _csv_number(number):
    return "" if number != number else f"{number:.9g}"


def _time_block(rows):
    unit, factor = ("s", 1.0) if max(row["epoch_time_s"] for row in rows) >= 1 else ("ms", 1e3)
    decimals = decimals_for(max(row["epoch_time_s"] for row in rows) * factor)

    def cell(row, name):
        return fixed(row[name] * factor, decimals)

    names = [f"{phase}_wall_s" for phase in PHASES]
    titles = ["codec", "epoch", "(min–max)", *PHASES]
    at = PHASES.index("comm") + 1
    names.insert(at, "comm_wait_s")
    titles.insert(titles.index("comm") + 1, "of it\nwait")
    if describe.shares_cores(rows):
        names.append("cpu_s")
        titles.append("CPU\ntime")
    lines = []
    for row in rows:
        spread = row.measures["epoch_time_s"]
        span = _span(spread, decimals, factor) or MISSING
        lines.append((describe.label(row), cell(row, "epoch_time_s"), span, *(cell(row, name) for name in names)))
    return Block(f"Time per epoch and its phases, {unit}", tuple(titles), tuple(lines))


def _bytes_block(rows):
    uplinks = sorted(row["uplink_bytes"] for row in rows)
    unit, size = byte_unit(uplinks[(len(rows) - 1) // 2])  # the middle row decides, not a dense one

    def volume(row, name):
        return significant(row[name] / size)

    def times(row, name):
        number = significant(row[name])
        return number if row[name] != row[name] else f"{number}×"

    titles = ("codec", "up", "keys", "values", "rest", "down", "vs dense\nfp32", "vs sparse\nfp32", "bits\n/key", "bound")
    titles += ("vNMSE\nfirst", "vNMSE\nlast", "test\nloss", f"test\n{describe.metric(rows)}")
    lines = []
    for row in rows:
        rest = significant((row["uplink_tables_bytes"] + row["uplink_header_bytes"]) / size)
        way_up = [volume(row, f"uplink_{name}bytes") for name in ("", "keys_", "values_")]
        ratios = (
            times(row, "ratio_to_dense_fp32"),
            times(row, "ratio_to_sparse_fp32"),
            significant(row["bits_per_key"]),
            significant(row["bound_bits_per_key"]),
        )
        quality = (significant(row["vnmse_first"], 2), significant(row["vnmse_last"], 2))
        result = (_result(row, "test_loss"), _result(row, "test_metric"))
        lines.append((describe.label(row), *way_up, rest, volume(row, "downlink_bytes"), *ratios, *quality, *result))
    return Block(f"Bytes per rank and epoch, {unit}; compression of the uplink; accuracy", titles, tuple(lines))


def _result(row, name):
    spread = row.measures[name]
    return f"{fixed(spread.median, 4)} {_span(spread, 4)}".rstrip()


def _span(spread, decimals, factor=1.0):
    """The range of several numbers, nothing for a single one."""
    return f"({fixed(spread.low * factor, decimals)}–{fixed(spread.high * factor, decimals)})" if spread.n > 1 else ""

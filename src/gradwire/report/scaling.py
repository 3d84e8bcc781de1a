"""Steps against the number of ranks: time, processor time of the busiest rank, and bytes through the busiest rank's link.

For experiments whose rows differ in their ranks. An epoch has fewer steps on more ranks, so a step is what can be compared. Bytes are the
buffers given to MPI as a sender plus those received, on the rank where the sum is largest: the root of gather_bcast is seen here.
"""

import numpy as np

from . import describe
from .layout import MISSING, Block, byte_unit, significant
from .load import column
from .measures import PHASES, steady


def blocks(rows):
    """Three blocks, or none if all rows have as many ranks. A run that two numbers of ranks have trained is in none."""
    rows = [row for row in rows if not any(run.is_mixed for run in row.group.runs)]
    ranks = sorted({row.group.runs[0].ranks for row in rows})
    if len(ranks) < 2:
        return []
    lines = {}
    for row in rows:
        lines.setdefault(_name(row), {})[row.group.runs[0].ranks] = row
    carried = {name: {rank: _median(row, _busiest_link) for rank, row in of.items()} for name, of in lines.items()}
    unit, size = byte_unit(min(number for of in carried.values() for number in of.values() if number > 0))
    wall = {name: {rank: 1e3 * _median(row, _step_s) for rank, row in of.items()} for name, of in lines.items()}
    cpu = {name: {rank: 1e3 * _median(row, _busy_s) for rank, row in of.items()} for name, of in lines.items()}
    scaled = {name: {rank: number / size for rank, number in of.items()} for name, of in carried.items()}
    captions = (
        "Time of a step against ranks, ms",
        "Processor time of a step, busiest rank, ms",
        f"Sent and received in a step, busiest rank, {unit}",
    )
    return [_block(caption, ranks, numbers) for caption, numbers in zip(captions, (wall, cpu, scaled))]


def _block(caption, ranks, numbers):
    titles = ("codec, collective", *(f"P = {rank}" for rank in ranks))
    return Block(caption, titles, tuple((name, *(significant(of.get(rank, np.nan)) for rank in ranks)) for name, of in numbers.items()))


def _name(row):
    """The row without its ranks: codec and collective, and whatever else its label says."""
    run, spec = row.group.runs[0], row.group.spec
    codec, *said = describe.label(row).removeprefix(spec).split(", ")  # a specification may hold commas itself
    said = [part for part in said if not part.startswith(("ranks=", "collective="))]
    return ", ".join([spec + codec, run.config.get("collective", {}).get("name", MISSING), *said])


def _median(row, of):
    return float(np.median([of(run) for run in row.group.runs]))


def _per_step(run, numbers):
    """The median over the epochs after warm-up of the largest of the ranks' numbers, for one step."""
    return float(np.median((numbers / column(run, "steps")).max(axis=1)[steady(run)]))


def _step_s(run):
    return _per_step(run, column(run, "epoch_time_s"))


def _busy_s(run):
    return _per_step(run, sum(column(run, f"{phase}_cpu_s") for phase in PHASES))


def _busiest_link(run):
    return _per_step(run, column(run, "sent_bytes").astype(float) + column(run, "received_bytes"))

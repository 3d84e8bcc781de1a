"""Measurements for `link.fit` from a file of `gradwire bench collectives`: its plain MPI calls whose cost costs.py knows.

gradwire's own exchanges are in the file too, but without their barriers and headers, which the formulas of whole exchanges count.
"""

import json

import numpy as np

from ..errors import DataError
from ..report.collectives import load
from .link import Measurement

CALLS = {"allreduce": "allreduce_call", "allgather": "allgatherv"}
"""The benchmark's name of a call → that of its formula."""


def benchmarked(path):
    """[Measurement], one for each call, size and launch. DataError if the ranks shared a host, or the file has none of these calls."""
    attributes, rows = load(path)
    lab = attributes.get("lab")  # whose hosts are one machine
    if (together := json.loads(lab)["ppn"] if lab else attributes["ranks_per_host"]) != 1:
        raise DataError(f"{path}: expected a benchmark with one rank on each host, got {together}: they did not use the network")
    rate = float(attributes.get("link_rate_bps", np.nan))
    found = [
        Measurement(CALLS[row["collective"]], int(row["ranks"]), row["nbytes"], 0.0, row["median_s"], rate)
        for row in rows
        if row["method"] == "mpi" and row["collective"] in CALLS and row["ranks"] > 1
    ]
    if not found:
        raise DataError(f"{path}: expected MPI's {' or '.join(CALLS)} between ranks, got none; bench collectives measures both by default")
    return found

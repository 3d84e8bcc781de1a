"""Stopwatch: wall and CPU seconds of each phase of a step.

    with watch.step():
        with watch("compute"): …
        with watch("encode"): …

`wait` (until the last rank arrives) and `transfer` together are the phase comm. Phases do not nest. What a step spends outside
any phase is `other`. Nothing is measured between steps.
"""

from contextlib import contextmanager
from time import perf_counter, thread_time

PARTS = ("compute", "encode", "wait", "transfer", "decode", "update")
PHASES = ("compute", "encode", "comm", "decode", "update", "other")


class Stopwatch:
    """Sums of wall seconds (perf_counter) and of this thread's CPU seconds (thread_time) since the last `reset`."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.wall = dict.fromkeys((*PARTS, "step"), 0.0)
        self.cpu = dict.fromkeys((*PARTS, "step"), 0.0)

    def __call__(self, part):
        self._part = part
        return self

    def __enter__(self):
        self._wall_began, self._cpu_began = perf_counter(), thread_time()

    def __exit__(self, *exc_info):
        self.wall[self._part] += perf_counter() - self._wall_began
        self.cpu[self._part] += thread_time() - self._cpu_began

    @contextmanager
    def step(self):
        """One step: what its phases do not cover becomes `other`."""
        wall, cpu = perf_counter(), thread_time()
        yield
        self.wall["step"] += perf_counter() - wall
        self.cpu["step"] += thread_time() - cpu

    def phases(self):
        """{"wall": {phase: seconds}, "cpu": {phase: seconds}}: the phases sum to the steps' time."""
        return {name: _phases(parts) for name, parts in (("wall", self.wall), ("cpu", self.cpu))}


def _phases(parts):
    phases = {name: parts[name] for name in PHASES if name in parts}
    phases["comm"] = parts["wait"] + parts["transfer"]
    phases["other"] = parts["step"] - sum(phases.values())
    return {name: phases[name] for name in PHASES}

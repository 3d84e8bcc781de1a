"""Stopwatch: wall and CPU seconds of each phase of a step.

    with watch.step(epoch, number):
        with watch("compute"): …
        with watch("encode"): …

`wait` (until the last rank arrives) and `transfer` together are the phase comm. Phases do not nest. What a step spends outside
any phase is `other`. Nothing is measured between steps.

Another thread may look at where the rank is (watchdog.py): `part` since `since`, in or after step `at`.
"""

from contextlib import contextmanager
from time import perf_counter, thread_time

PARTS = ("compute", "encode", "wait", "transfer", "decode", "update")
PHASES = ("compute", "encode", "comm", "decode", "update", "other")


class Stopwatch:
    """Sums of wall seconds (perf_counter) and of this thread's CPU seconds (thread_time) since the last `reset`.

    part: the phase that runs, "other" in a step outside phases, None between steps, or what `note` was told; an error that leaves a
    step leaves it there. since: when that began, by perf_counter. at: (epoch, number) of the last step begun, None before the first.
    longest_s: wall time of the longest step ever.
    """

    def __init__(self):
        self.part, self.at, self.longest_s = None, None, 0.0
        self.since = perf_counter()
        self.reset()

    def reset(self):
        self.wall = dict.fromkeys((*PARTS, "step"), 0.0)
        self.cpu = dict.fromkeys((*PARTS, "step"), 0.0)

    def __call__(self, part):
        self.part = part
        return self

    def __enter__(self):
        self.since, self._cpu_began = perf_counter(), thread_time()

    def __exit__(self, *exc_info):
        now = perf_counter()
        self.wall[self.part] += now - self.since
        self.cpu[self.part] += thread_time() - self._cpu_began
        self.part, self.since = "other", now

    @contextmanager
    def step(self, epoch=0, number=0):
        """One step: what its phases do not cover becomes `other`."""
        wall, cpu = perf_counter(), thread_time()
        self.at, self.part, self.since = (epoch, number), "other", wall
        try:
            yield
        finally:  # a step that an error ends has taken its time too
            now = perf_counter()
            self.wall["step"] += now - wall
            self.cpu["step"] += thread_time() - cpu
        self.longest_s = max(self.longest_s, now - wall)
        self.part, self.since = None, now

    def note(self, part):
        """Say what happens outside phases; it is not measured."""
        self.part, self.since = part, perf_counter()

    def phases(self):
        """{"wall": {phase: seconds}, "cpu": {phase: seconds}}: the phases sum to the steps' time."""
        return {name: _phases(parts) for name, parts in (("wall", self.wall), ("cpu", self.cpu))}


def _phases(parts):
    phases = {name: parts[name] for name in PHASES if name in parts}
    phases["comm"] = parts["wait"] + parts["transfer"]
    phases["other"] = parts["step"] - sum(phases.values())
    return {name: phases[name] for name in PHASES}

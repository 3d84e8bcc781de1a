"""Counts: seconds by phase and bytes by kind, added to from several threads."""

from contextlib import contextmanager
from threading import Lock
from time import perf_counter

PHASES = ("encode", "wait", "transfer", "decode")
BYTES = ("sent", "received", "padding", "control", "header", "keys", "values", "tables")


class Counts:
    """seconds, bytes: what State says they are."""

    def __init__(self):
        self.seconds, self.bytes = dict.fromkeys(PHASES, 0.0), dict.fromkeys(BYTES, 0)
        self._lock = Lock()

    @contextmanager
    def timed(self, phase):
        """Add what this takes to seconds[phase]."""
        began = perf_counter()
        try:
            yield
        finally:
            self.add_seconds(phase, perf_counter() - began)

    def add_seconds(self, phase, seconds):
        with self._lock:
            self.seconds[phase] += seconds

    def add_bytes(self, **nbytes):
        with self._lock:
            for name, size in nbytes.items():
                self.bytes[name] += size

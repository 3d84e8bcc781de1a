"""Progress on standard error: a bar on a terminal, one line per epoch otherwise. Rank 0 alone talks.

`step` is called for every step of a training, so it draws at most ten times a second and costs two clock readings' time otherwise.
"""

import logging
import sys
from contextlib import contextmanager
from time import perf_counter

from tqdm import tqdm

REDRAW_S = 0.1


class Quiet:
    """What all ranks but 0 get: the same methods, no output."""

    def start_run(self, config, first_epoch, steps_per_epoch):
        """A run begins at this epoch (not 0 when it is resumed)."""

    def step(self, epoch, step):
        """One step is done; both count from 0."""

    def epoch(self, epoch, row):
        """One epoch is done; row: column → value or one value per rank, as the recorder writes it."""

    def end_run(self, path):
        """The run is finished and stands in `path`."""

    def note(self, text):
        """A line for the user."""


class Lines(Quiet):
    """One line per epoch: losses, time, elapsed, and an estimate of what remains of all runs."""

    def __init__(self, configs, stream):
        """configs: the runs to come, in order."""
        self._waiting = [config.epochs for config in configs]
        self._total, self._done, self._run = len(self._waiting), 0, None
        self._stream, self._began = stream, None

    def start_run(self, config, first_epoch, steps_per_epoch):
        if self._began is None:
            self._began = perf_counter()  # not before: preparing data says nothing about the runs to come
        self._epochs_left = self._waiting.pop(0) - first_epoch
        self._run, self._steps, self._first = config, steps_per_epoch, first_epoch
        self._label = f"[{self._total - len(self._waiting)}/{self._total}] {config.run_id}"

    def epoch(self, epoch, row):
        self._done += 1
        self._epochs_left -= 1
        self.note(f"{self._label}  epoch {epoch + 1}/{self._run.epochs}  {self._summary(row)}  {self._clock()}")

    def note(self, text):
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _summary(self, row):
        seconds = row["epoch_time_s"]
        slowest = seconds if isinstance(seconds, int | float) else max(seconds)
        return f"loss {row['train_loss']:.4f}  test {row['test_loss']:.4f}  metric {row['test_metric']:.4f}  {slowest:.2f} s"

    def _clock(self):
        elapsed = perf_counter() - self._began
        remaining = elapsed / self._done * (self._epochs_left + sum(self._waiting))
        return f"elapsed {duration(elapsed)}  remaining {duration(remaining)}"


class Bar(Lines):
    """A bar of the run's steps; every finished epoch's losses stand beside it, every finished run leaves a line."""

    _bar = None
    _drawn = 0.0

    def start_run(self, config, first_epoch, steps_per_epoch):
        super().start_run(config, first_epoch, steps_per_epoch)
        total = (config.epochs - first_epoch) * steps_per_epoch
        self._bar = tqdm(total=total, desc=self._label, unit="step", file=self._stream, dynamic_ncols=True)

    def step(self, epoch, step):
        now = perf_counter()
        if now - self._drawn < REDRAW_S:
            return
        self._drawn = now
        self._draw(epoch, step + 1)

    def epoch(self, epoch, row):
        self._done += 1
        self._epochs_left -= 1
        self._bar.set_postfix_str(f"{self._summary(row)}, {self._clock()}", refresh=False)
        self._draw(epoch + 1, 0)

    def end_run(self, path):
        self._bar.close()
        self._bar = None

    def note(self, text):
        if self._bar is None:
            super().note(text)
        else:
            self._bar.write(text, file=self._stream)

    def _draw(self, epoch, step):
        self._bar.n = (epoch - self._first) * self._steps + step
        self._bar.refresh()


def progress(rank, configs, stream=None):
    """Bar, Lines or Quiet for this rank. configs: the RunConfigs to come, in order. stream: default standard error."""
    if rank != 0:
        return Quiet()
    stream = stream or sys.stderr
    return (Bar if stream.isatty() else Lines)(configs, stream)


@contextmanager
def shown(progress):
    """While the block runs, what gradwire's loggers say (from INFO on) becomes notes of `progress`."""
    logger, handler = logging.getLogger("gradwire"), _Notes(progress)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Notes(logging.Handler):
    def __init__(self, progress):
        super().__init__()
        self._progress = progress

    def emit(self, record):
        self._progress.note(self.format(record))


def duration(seconds):
    """125 → "2:05", 4000 → "1:06:40"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

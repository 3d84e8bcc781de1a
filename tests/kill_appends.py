"""Kills a process at random moments of its appends to a run file, again and again, and looks at what is left each time.

    python tests/kill_appends.py -n 2000                # run files; exit status 1 if anything that was recorded is lost
    python tests/kill_appends.py -n 2000 --gradients    # the files of recorded gradients

The killed process appends rows as `gradwire run` does after each epoch, as fast as it can, and notes in shared memory how many appends
have returned. After SIGKILL the file must open, hold every row of these bit for bit, and take the row that was under way again. A file
goes on growing through all kills, and starts anew now and then, so that new chunks and longer indexes are met too.
"""

import argparse
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np

import gradwire as gw
from gradwire import gradients, recorder

CONFIG = SimpleNamespace(experiment="kill", run_id="natural-0-r0", uplink="natural", toml=lambda: "", epochs=1)
DIM = 1000


def row(epoch, ranks):
    """Columns that only this epoch has."""
    rng = np.random.default_rng(epoch)
    columns = {name: rng.integers(1, 2**40, ranks) for name in recorder.PER_RANK}
    return columns | {name: float(rng.integers(1, 2**40)) for name in recorder.PER_EPOCH if name != "finished_at_s"}


class Runs:
    """Appends of rows to a run file."""

    def __init__(self, folder, ranks):
        self.path, self.ranks = Path(folder) / "run.h5", ranks

    def create(self):
        recorder.Recorder(self.path).create(CONFIG, {"cores": 2}, DIM, self.ranks)

    def append(self, number):
        recorder.Recorder(self.path).append(number, row(number, self.ranks))

    def lost(self, count):
        """What is wrong with the file, of which `count` rows were recorded; "" if nothing."""
        epochs = gw.load_run(self.path).epochs
        rows = len(epochs["test_loss"])
        if not count <= rows <= count + 1:
            return f"{rows} rows instead of {count}"
        first = max(0, count - 200)
        wanted = [row(number, self.ranks) for number in range(first, count)]
        for name, column in epochs.items():
            if wanted and name != "finished_at_s" and not np.array_equal(column[first:count], [each[name] for each in wanted]):
                return f"other values in {name}"
        return ""

    def plain(self):
        """What h5py alone says of the file; "" if it reads all of it."""
        with h5py.File(self.path, "r", locking=False) as file:
            return "" if all(column[()].size >= 0 for column in file["epochs"].values()) else "empty"


class Gradients:
    """Appends to a file of recorded gradients."""

    def __init__(self, folder, _):
        self.path = Path(folder) / "run.hdf5"

    def create(self):
        self.path.unlink(missing_ok=True)
        self.append(0)

    def gradient(self, number):
        rng = np.random.default_rng(number)
        keys = np.sort(rng.choice(DIM, number % 97 + 1, replace=False)).astype(np.uint32)
        return gw.Gradient(rng.normal(size=len(keys)).astype(np.float32), DIM, keys)

    def append(self, number):
        log = gradients.GradientLog(self.path, CONFIG, DIM, (number, 0))
        log.append([gradients.Recorded(self.gradient(number), 0, number, 0)])

    def lost(self, count):
        found = gradients.load_gradients(self.path)
        if not count <= len(found) <= count + 1:
            return f"{len(found)} gradients instead of {count}"
        for number in range(max(0, count - 200), count):
            one, wanted = found[number].gradient, self.gradient(number)
            if not (np.array_equal(one.keys, wanted.keys) and np.array_equal(one.values, wanted.values)):
                return f"gradient {number} is another"
        return ""

    def plain(self):
        with h5py.File(self.path, "r", locking=False) as file:
            return "" if all(column[()].size >= 0 for column in file.values()) else "empty"


def killed(target, state, number, after_s):
    """Append from row `number` on in a process that gets SIGKILL after `after_s`; the number of rows whose appends have returned."""
    struct.pack_into("<Q", state, 0, number)
    child = os.fork()
    if child == 0:
        try:
            while True:
                target.append(number)
                number += 1
                struct.pack_into("<Q", state, 0, number)
        finally:
            os._exit(1)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit("an append failed before the kill")
    return struct.unpack_from("<Q", state)[0]


def tried(function, *arguments):
    """ "" or what is wrong, exceptions included."""
    try:
        return function(*arguments) or ""
    except (gw.GradwireError, OSError, KeyError, RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=2000, help="kills (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ranks", type=int, default=4, help="ranks that the rows are of (default: %(default)s)")
    parser.add_argument("--gradients", action="store_true", help="files of recorded gradients instead of run files")
    parser.add_argument("--renew", type=int, default=200, help="kills after which a new file is begun (default: %(default)s)")
    args = parser.parse_args()
    rng, counts, losses = random.Random(args.seed), Counter(), Counter()
    with tempfile.TemporaryDirectory() as folder, mmap.mmap(-1, 8) as state:
        target, number = (Gradients if args.gradients else Runs)(folder, args.ranks), None
        for kill in range(args.n):
            if number is None or kill % args.renew == 0:
                target.create()
                number = int(args.gradients)
            began = number
            number = killed(target, state, number, rng.uniform(0, 0.1))
            counts["appends"] += number - began
            counts["plain h5py cannot read"] += bool(tried(target.plain))
            lost = tried(target.lost, number) or tried(target.append, number) or tried(target.lost, number + 1)
            number += 1
            if lost:
                losses[lost] += 1
                number = None
    print(
        f"{args.n} kills, {counts['appends']} appends: {sum(losses.values())} losses, {counts['plain h5py cannot read']} unreadable for plain h5py"
    )
    for what, count in losses.most_common(10):
        print(f"{count:6}  {what}")
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())

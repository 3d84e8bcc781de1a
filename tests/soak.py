"""Long runs and large ones: what only shows after an hour, or at 10⁸. Exit status 1 if a bound is broken.

    make soak SOAK_MINUTES=10 SOAK_RANKS=64                    # all four, the first one for so long
    mpiexec -n 64 python tests/soak.py train --minutes 10      # or --steps 10000, whichever comes first
    mpiexec -n 2 python tests/soak.py wide                     # dim 10⁸: every codec and collective
    mpiexec -n 2 python tests/soak.py many                     # 10⁸ nonzeros through an allgather, whole and in pieces of 8 MiB
    python tests/soak.py rows                                  # appends to a run file of 10², 10⁴, 10⁶ rows

train: rounds of training steps, every codec and collective of PAIRS in turn. A round begins with the same parameters and the same Steps,
so it must put the same bytes on the wire as the first one; resident memory and open files of each rank must stay what they were.
wide, many: the highest resident memory of each combination, above what the rank had before, against a bound in multiples of the input.
"""

import argparse
import gc
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

import gradwire as gw
from gradwire import data, spec
from gradwire.collectives import transport
from gradwire.collectives.exchange import Exchange

MIB = 1 << 20
PAIRS = (
    ("none", "allreduce"), ("adam-sparse", "gather_bcast"), ("sketchml", "gather_bcast"), ("fastsgd", "allgather"), ("qsgd", "allgather"),
    ("natural", "reduce_scatter"), ("topk(ratio=0.1)+natural", "reduce_scatter"), ("natural", "hierarchical"), ("intsgd", "allreduce"), ("none", "switch"),
)  # fmt: skip
WARMUP_ROUNDS = 3
GROWTH = 4 * MIB
"""How much more resident memory a rank may have at the end than after the warm-up: allocators keep what fragments leave."""


def status(field):
    """A field of /proc/self/status in bytes: VmRSS, VmHWM."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) << 10


def open_files():
    return len(os.listdir("/proc/self/fd"))


def say(comm, *text):
    if comm.rank == 0:
        print(*text, flush=True)


class Round:
    """Training steps of every pair, from the same beginning each time."""

    def __init__(self, comm, args):
        self.comm, self.args = comm, args
        self.cache = comm.bcast(tempfile.mkdtemp(prefix="gradwire-soak-") if comm.rank == 0 else None)
        dataset = spec.build("datasets", "synthetic-kdd12", {"rows": 400 * comm.size, "n_features": 100_000})
        prepared = data.load(dataset, self.cache, rank=comm.rank, size=comm.size, barrier=comm.Barrier)
        self.train, self.dim = prepared.train, prepared.n_features
        self.model, self.optimizer = spec.one("models", "logistic"), spec.one("optimizers", "adam")

    def run(self):
        """Bytes that the ledgers of all pairs have counted."""
        counted = []
        for codec, collective in PAIRS:
            feedback = gw.ErrorFeedback(self.dim) if "topk" in codec else None
            exchange = Exchange(self.comm, codec, collective, feedback=feedback)
            params, state = self.model.init(self.dim, 0), self.optimizer.init(self.dim)
            for index in range(self.args.block):
                rows = (np.arange(100) + 997 * index + 101 * self.comm.rank) % self.train.n_rows
                gradient, _ = self.model.gradient(params, self.train, rows)
                mean = exchange.average(gradient.without_zeros(), gw.Step(index, 0, self.comm.rank)).without_zeros()
                self.optimizer.update(params, state, mean, 0.01)
            ledger = exchange.ledger
            counted += [ledger.sent, ledger.received, ledger.control, *ledger.uplink.values(), *ledger.downlink.values()]
        return counted


def train(comm, args):
    rounds, began = Round(comm, args), time.monotonic()
    first, resident, files, done = None, [], [], False
    while not done:
        counted = rounds.run()
        first = counted if first is None else first
        if counted != first:
            raise SystemExit(f"rank {comm.rank}: round {len(resident)} counted {counted} bytes, the first one {first}")
        gc.collect()
        resident.append(status("VmRSS"))
        files.append(open_files())
        steps = len(resident) * len(PAIRS) * args.block
        done = comm.bcast(len(resident) > WARMUP_ROUNDS + 1 and (time.monotonic() - began > 60 * args.minutes or steps >= args.steps))
    if comm.rank == 0:
        shutil.rmtree(rounds.cache)
    after = resident[WARMUP_ROUNDS:]
    third = max(1, len(after) // 3)
    growth = statistics.median(after[-third:]) - statistics.median(after[:third])
    slope = np.polyfit(np.arange(len(after)), after, 1)[0] if len(after) > 2 else 0.0
    of_all = comm.gather((growth, slope, len(set(files[1:])), after[0]))
    if comm.rank == 0:
        growths, slopes, counts, residents = zip(*of_all)
        print(f"train: {comm.size} ranks, {steps} steps in {len(resident)} rounds, {time.monotonic() - began:.0f} s")
        print(f"  resident {min(residents) / MIB:.0f}–{max(residents) / MIB:.0f} MiB; growth after {WARMUP_ROUNDS} rounds at most ", end="")
        print(
            f"{max(growths) / MIB:.2f} MiB, at most {max(slopes) / 1024:.2f} KiB a round; open files {'constant' if set(counts) == {1} else 'CHANGED'}"
        )
        print(f"  every round put the same bytes on the wire: {sum(first)} counted on rank 0")
        return int(max(growths) > GROWTH or set(counts) != {1})
    return 0


def peak(comm, function):
    """(result, most bytes of resident memory above those before, over ranks) of function()."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    before = status("VmRSS")
    result = function()
    return result, max(comm.allgather(status("VmHWM") - before))


def wide(comm, args):
    """Sparse gradients of a large dimension; a codec for dense ones makes them dense, so its bound is in multiples of that."""
    rng, broken = np.random.default_rng(comm.rank), 0
    keys = np.unique(rng.integers(0, args.dim, args.nnz)).astype(np.uint32)
    gradient = gw.Gradient(rng.normal(size=len(keys)).astype(np.float32), args.dim, keys)
    say(comm, f"wide: dim {args.dim}, {len(keys)} nonzeros, {comm.size} ranks; memory beside the residual and the parameters")
    for codec in [*gw.names("codecs"), "topk(ratio=0.1)+elias_fano+natural", "adaptive+fp32"]:
        for collective in gw.names("collectives"):
            feedback = gw.ErrorFeedback(args.dim)
            try:
                exchange = Exchange(comm, codec, collective, feedback=feedback)
            except gw.IncompatibleError:
                continue

            def steps(exchange=exchange):
                for index in range(2):
                    mean = exchange.average(gradient, gw.Step(index, 0, comm.rank))
                return mean.is_dense

            began = time.perf_counter()
            try:
                dense, used = peak(comm, steps)
            except gw.IncompatibleError as error:  # on every rank: dense gradients of so many values are not made
                say(comm, f"  {codec:36}{collective:16}refused: {str(error).partition(';')[0]}")
                continue
            makes_dense = dense or any(sent.part.gradient.is_dense or sent.message.is_dense for sent in exchange.sent)
            bound = (24 * 4 * args.dim if makes_dense else 0) + 16 * MIB
            broken += used > bound
            kind = "dense" if makes_dense else "sparse"
            mark = "" if used <= bound else "   TOO MUCH"
            say(
                comm,
                f"  {codec:36}{collective:16}{kind:8}{used / MIB:8.0f} of {bound / MIB:.0f} MiB{time.perf_counter() - began:8.1f} s{mark}",
            )
            del exchange, feedback
    return int(broken > 0)


def many(comm, args):
    """Gradients of very many nonzeros, in the pieces that MPI's 32-bit counts allow and in far smaller ones."""
    keys = np.arange(comm.rank, 2 * args.nnz, 2, dtype=np.uint32)  # every key of one rank lies between two of the next
    values = np.ones(args.nnz, np.float32)
    gradient, broken = gw.Gradient(values, 2 * args.nnz + comm.size, keys), 0
    say(comm, f"many: {args.nnz} nonzeros, {comm.size} ranks, {8 * args.nnz / MIB:.0f} MiB of pairs each")
    for words in (transport.MAX_WORDS, args.words):
        transport.MAX_WORDS = words
        for codec in ("raw+fp32", "raw+natural", "raw+bf16"):
            exchange, began = Exchange(comm, codec, "allgather"), time.perf_counter()
            mean, used = peak(comm, lambda exchange=exchange: exchange.average(gradient, gw.Step(0, 0, comm.rank)))
            wrong = mean.nnz != comm.size * args.nnz if comm.size <= 2 else mean.nnz < args.nnz
            wrong |= not (mean.values == np.float32(1 / comm.size)).all() if comm.size <= 2 else False
            bound = (4 * comm.size + 2) * 8 * args.nnz + 64 * MIB
            broken += used > bound or wrong
            mark = "   WRONG" if wrong else "   TOO MUCH" if used > bound else ""
            message = exchange.sent[0].message.nbytes / MIB
            pieces = len(transport.pieces(exchange.sent[0].message.nbytes // 8))
            say(
                comm,
                f"  {codec:16}{message:8.0f} MiB in {pieces:4} pieces{used / MIB:9.0f} of {bound / MIB:.0f} MiB{time.perf_counter() - began:8.1f} s{mark}",
            )
            del exchange, mean
    return int(broken > 0)


def rows(args):
    """Median time of an append to files of 10², 10⁴, … `args.rows` rows, and how much of the file an append reads and writes."""
    import kill_appends

    from gradwire import journal

    counts = [10**power for power in range(2, 10, 2) if 10**power <= args.rows]
    with ExitStack() as folders:
        targets = [_filled(kill_appends, folders.enter_context(tempfile.TemporaryDirectory(dir=args.folder)), count) for count in counts]
        times = [[] for _ in counts]
        for number in range(130):  # in turns: what else the machine does meets all files alike
            for target, count, found in zip(targets, counts, times):
                row = kill_appends.row(count + number, 1)
                began = time.perf_counter()
                kill_appends.recorder.Recorder(target.path).append(count + number, row)
                found.append(time.perf_counter() - began)
        medians = [statistics.median(found) for found in times]
        for target, count, median in zip(targets, counts, medians):
            moved = _moved(journal, lambda target=target, count=count: target.append(count + 130))
            size = target.path.stat().st_size / MIB
            print(
                f"rows: {count:8} rows, {size:6.1f} MiB: append {1e3 * median:6.1f} ms (median of 130), {moved // 1024} KiB read and written",
                flush=True,
            )
    return int(medians[-1] > 2.5 * medians[0] + 0.005)


def _filled(kill_appends, folder, count):
    """A run file of so many rows."""
    import h5py

    target = kill_appends.Runs(folder, 1)
    target.create()
    with h5py.File(target.path, "r+") as file:
        for column in file["epochs"].values():
            column.resize(count, axis=0)
            for start in range(0, count, 1 << 16):
                column[start : start + (1 << 16)] = np.ones((min(1 << 16, count - start), *column.shape[1:]))
    with open(target.path, "rb+") as file:
        os.fsync(file.fileno())
    return target


def _moved(journal, append):
    """Bytes that go through the draft of one append."""
    moved, plain = [0], {name: getattr(journal.Draft, name) for name in ("readinto", "write")}
    for name, call in plain.items():
        setattr(
            journal.Draft, name, lambda draft, buffer, call=call: (moved.__setitem__(0, moved[0] + len(buffer)), call(draft, buffer))[1]
        )
    try:
        append()
    finally:
        for name, call in plain.items():
            setattr(journal.Draft, name, call)
    return moved[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("train", "wide", "many", "rows"))
    parser.add_argument("--minutes", type=float, default=10.0, help="train: no longer than that (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10_000, help="train: no more than that (default: %(default)s)")
    parser.add_argument("--block", type=int, default=5, help="train: steps of a codec in a round (default: %(default)s)")
    parser.add_argument("--dim", type=int, default=10**8, help="wide (default: %(default)s)")
    parser.add_argument("--nnz", type=int, help="nonzeros of a gradient (default: 10000 for wide, 10⁸ for many)")
    parser.add_argument("--words", type=int, default=1 << 20, help="many: words in a piece, the second time (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=10**6, help="rows: of the largest file (default: %(default)s)")
    parser.add_argument("--folder", help="rows: where the files are made (default: the system's temporary folder)")
    args = parser.parse_args()
    if args.part == "rows":
        return rows(args)
    import mpi4py.run
    from mpi4py import MPI

    args.nnz = args.nnz or {"train": 0, "wide": 10_000, "many": 10**8}[args.part]
    try:
        return {"train": train, "wide": wide, "many": many}[args.part](MPI.COMM_WORLD, args)
    except BaseException as error:
        mpi4py.run.set_abort_status(error)
        raise


if __name__ == "__main__":
    sys.exit(main())

"""`gradwire bench compute`, `codecs` and `collectives`: micro-benchmarks."""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from .. import launch
from .options import add_results, positive
from .planning import world


def add(commands):
    from ..bench.inputs import meanings

    bench = commands.add_parser("bench", help="micro-benchmarks").add_subparsers(required=True, metavar="WHAT")
    compute = bench.add_parser("compute", help="gradient kernels and parsers, beside scikit-learn")
    compute.set_defaults(command=_bench_compute)
    codecs = bench.add_parser(
        "codecs",
        help="size, speed and error of coders, sparsifiers, sketches and codecs",
        epilog="examples:\n"
        "  gradwire bench codecs\n"
        "  gradwire bench codecs fastsgd 'topk(ratio=0.01)+natural' --nnz 100000\n"
        "  gradwire bench codecs --gradients mine.npz      arrays keys, values and dim, or dense arrays alone\n\n"
        "synthetic inputs are named keys/values:\n  " + meanings().replace("; ", "\n  "),
    )
    codecs.add_argument("specs", nargs="*", metavar="SPEC", help="names or compositions; all that is registered when none is given")
    codecs.add_argument("--gradients", metavar="FILE", help="recorded gradients: .hdf5 of run --record-gradients, or .npz")
    codecs.add_argument("--peers", action="store_true", help="other libraries beside them, those installed: pip install 'gradwire[peers]'")
    codecs.add_argument("--nnz", type=positive, default=10**6, metavar="N", help="entries of a synthetic gradient (default: %(default)s)")
    codecs.add_argument("--repeats", type=positive, default=21, metavar="R", help="timed calls of each, at most (default: %(default)s)")
    add_results(codecs)
    codecs.set_defaults(command=_bench_codecs)

    calls = bench.add_parser(
        "collectives",
        help="time and bandwidth of each collective against message size, beside the MPI calls and OSU's method",
        epilog="examples:\n  gradwire bench collectives --ranks 4\n  mpiexec -n 16 gradwire bench collectives allgather 'switch(slots=64)'",
    )
    calls.add_argument(
        "collectives", nargs="*", metavar="COLLECTIVE", help="specifications; all that take dense gradients when none is given"
    )
    calls.add_argument(
        "--ranks", type=positive, metavar="P", help="ranks of each launch (default: 2); not under mpiexec, which has its own"
    )
    calls.add_argument(
        "--sizes", type=_sizes, metavar="BYTES,…", help="bytes of a rank's values (default: 64 to 4 Mi, each four times the last)"
    )
    calls.add_argument("--calls", type=positive, default=200, metavar="N", help="timed calls of each, at most (default: %(default)s)")
    calls.add_argument(
        "--launches", type=positive, default=3, metavar="L", help="launches of mpiexec (default: %(default)s); under mpiexec 1"
    )
    calls.add_argument("--launch", type=int, default=0, help=argparse.SUPPRESS)
    calls.add_argument("--rows", help=argparse.SUPPRESS)
    add_results(calls)
    calls.set_defaults(command=_bench_collectives)


def _sizes(text):
    sizes = [positive(part) for part in text.split(",")]
    if any(size % 4 for size in sizes):
        raise argparse.ArgumentTypeError(f"expected multiples of 4 bytes, got {text!r}")
    return tuple(sizes)


def _bench_compute(args, say):
    from .. import environment, listing
    from ..bench import compute

    environment.keep_freed_memory()
    rows = compute.run()
    say(listing.aligned(tuple(rows[0]), [tuple(row.values()) for row in rows]))


def _bench_codecs(args, say):
    from functools import partial

    from tqdm import tqdm

    from .. import environment
    from ..bench import codecs
    from ..report.codecs import summarise

    environment.keep_freed_memory()
    progress = partial(tqdm, unit="case", disable=None, leave=False)
    path = codecs.path(args.results)
    path.parent.mkdir(parents=True, exist_ok=True)  # what cannot be written is known before anything is measured
    asked = {"gradients": args.gradients, "with_peers": args.peers, "nnz": args.nnz, "repeats": args.repeats}
    rows, notes = codecs.run(args.specs, **asked, progress=progress)
    codecs.save(path, rows, notes)
    say(summarise(path, args.results, path.stem if args.specs or args.gradients else "codecs"))


def _bench_collectives(args, say):
    """Under mpiexec one launch; else start --launches of them, each of which leaves its rows in a file, and put them together."""
    found = launch.launcher()
    if found:
        launch.check_ranks(args.ranks, found.size)
        return _measure_collectives(args, say)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.launches):
            kept = Path(folder) / f"{number}.json"
            own = [*args.arguments, "--launch", str(number), "--rows", str(kept)]
            command, environ = launch.mpiexec_command(args.ranks or 2, own)
            code = subprocess.run(command, env=environ, check=False).returncode
            if code:
                return code
            attributes, more = json.loads(kept.read_text())
            rows += more
    return _report_collectives(args, attributes, rows, say)


def _measure_collectives(args, say):
    from mpi4py import MPI

    from .. import environment
    from ..bench import collectives

    comm = world(args.ranks)
    try:
        environment.keep_freed_memory()
        attributes = environment.describe(comm, MPI.Get_library_version(), MPI.Get_version())
        offsets = collectives.clock_offsets(comm)
        attributes["clock_offsets"] = "; ".join(f"rank {rank}: {a * 1e6:.2f} ± {b * 1e6:.2f} µs" for rank, (a, b) in enumerate(offsets))
        rows = collectives.measure(comm, args.collectives, args.sizes or collectives.SIZES, args.calls, args.launch)
        if comm.rank == 0 and args.rows:
            Path(args.rows).write_text(json.dumps([attributes, rows]))
        elif comm.rank == 0:
            _report_collectives(args, attributes, rows, say)
    except BaseException as problem:
        return launch.fail(problem, comm)
    return 0


def _report_collectives(args, attributes, rows, say):
    from datetime import UTC, datetime

    from ..bench import collectives
    from ..report.collectives import summarise

    path = Path(args.results) / "bench" / f"collectives-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.hdf5"
    collectives.save(path, rows, attributes)
    say(summarise(path, args.results))

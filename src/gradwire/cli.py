"""The command gradwire: run, lab, list, inspect, check, data, bench, advise, figures, tables.

Every heavy import is inside the command that needs it, so `gradwire --help` is quick, and only `run` initialises MPI, after
configuration and legality are checked. Exit status: 0 done, 1 failed, 2 usage, configuration or incompatibility, 130 interrupted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from . import launch
from .errors import ConfigError, GradwireError, IncompatibleError
from .listing import CHECKED, KINDS

RESULTS = "results"


def main(argv=None):
    """Run one command; returns the exit status. Under mpiexec every rank calls it."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        args = _parser().parse_args(arguments)
    except SystemExit as stop:
        return stop.code
    args.arguments = arguments
    try:
        code = args.command(args) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `gradwire list | head`: nobody reads on, and the interpreter must not flush to them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        return launch.fail(error)


class _Parser(argparse.ArgumentParser):
    """Usage errors and help are printed once, not by every rank. The lines of an epilog stay as they are."""

    def __init__(self, **options):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def _print_message(self, message, file=None):
        if launch.speaks():
            super()._print_message(message, file)


def _parser():
    from . import __version__
    from .bench.inputs import meanings

    parser = _Parser(prog="gradwire", description="What a gradient looks like on the wire, and what that is worth.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        help="train as an experiment file says and record everything; start it under mpiexec, or with --ranks",
        epilog="examples:\n"
        "  mpiexec -n 4 gradwire run experiments/quickstart.toml\n"
        "  gradwire run quickstart --ranks 2 --codec 'topk(ratio=0.01)+natural' --set run.epochs=2 --results trial",
    )
    _add_run_options(run)
    run.set_defaults(command=_run)

    lab = commands.add_parser(
        "lab",
        help="run an experiment across hosts that are network namespaces of this machine, over links of a given rate",
        epilog="examples:\n"
        "  gradwire lab quickstart --hosts 4 --rate 100mbit\n"
        "  gradwire lab quickstart --hosts 2 --ppn 2 --rate 1gbit,100mbit --codec fastsgd --results trial\n"
        "  gradwire lab quickstart --hosts 4 --rate 100mbit --rate 1gbit      a sweep: one lab after the other\n\n"
        "Without --results, the results of each lab have a folder of their own: results/lab/4x1-100mbit. A sweep makes these in DIR.",
    )
    lab.add_argument("--hosts", type=_positive, required=True, metavar="H", help="number of hosts, at least 2")
    lab.add_argument(
        "--rate", action="append", required=True, metavar="RATE", help="of every link, such as 1gbit, or one for each host: 1gbit,100mbit,…"
    )
    lab.add_argument("--ppn", type=_positive, default=1, metavar="N", help="ranks per host (default: %(default)s)")
    lab.add_argument("--latency", default="0ms", metavar="TIME", help="added one way, such as 1ms; needs netem in the kernel")
    _add_run_options(lab, results=None)
    lab.set_defaults(command=_lab)

    listing = commands.add_parser("list", help="what there is, with one line and the paper of each")
    listing.add_argument("kind", nargs="?", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    listing.set_defaults(command=_list)

    inspect = commands.add_parser("inspect", help="what run files hold")
    inspect.add_argument("paths", nargs="+", metavar="RUN.h5")
    inspect.set_defaults(command=_inspect)

    check = commands.add_parser(
        "check",
        help="run the conformance suite on codecs and parts, plug-ins included",
        epilog="examples:\n  gradwire check natural\n  gradwire check 'rice+quantile(center=mean)'\n  gradwire check --all --kind keys",
    )
    check.add_argument(
        "spec", nargs="?", metavar="SPEC", help="such as natural or 'topk(ratio=0.01)+natural'; a name of several kinds is all of them"
    )
    check.add_argument("--kind", choices=CHECKED, help="check SPEC, or --all, as this kind only")
    check.add_argument("--all", action="store_true", help="everything that is registered, in its default configuration")
    check.set_defaults(command=_check)

    data = commands.add_parser("data", help="prepare a data set, or say what it is")
    data.add_argument("action", choices=("prepare", "info"))
    data.add_argument("name", metavar="NAME", help="see `gradwire list datasets`")
    data.add_argument("--set", action="append", default=[], metavar="key=value", help="option of the data set; may be repeated")
    data.set_defaults(command=_data)

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
    codecs.add_argument("--nnz", type=_positive, default=10**6, metavar="N", help="entries of a synthetic gradient (default: %(default)s)")
    codecs.add_argument("--repeats", type=_positive, default=21, metavar="R", help="timed calls of each, at most (default: %(default)s)")
    _add_results(codecs)
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
        "--ranks", type=_positive, metavar="P", help="ranks of each launch (default: 2); not under mpiexec, which has its own"
    )
    calls.add_argument(
        "--sizes", type=_sizes, metavar="BYTES,…", help="bytes of a rank's values (default: 64 to 4 Mi, each four times the last)"
    )
    calls.add_argument("--calls", type=_positive, default=200, metavar="N", help="timed calls of each, at most (default: %(default)s)")
    calls.add_argument(
        "--launches", type=_positive, default=3, metavar="L", help="launches of mpiexec (default: %(default)s); under mpiexec 1"
    )
    calls.add_argument("--launch", type=int, default=0, help=argparse.SUPPRESS)
    calls.add_argument("--rows", help=argparse.SUPPRESS)
    _add_results(calls)
    calls.set_defaults(command=_bench_collectives)

    advise = commands.add_parser(
        "advise",
        help="which codec pays on which network: predicted step times and break-even bandwidths, from runs or for a described job",
        epilog="examples:\n"
        "  gradwire advise results/runs/quickstart/*.h5 --ranks 16 --rate 1gbit --latency 50us\n"
        "  gradwire advise --dim 54686452 --nnz 100000 --ranks 8 --rate 10gbit --compute 5ms --codec natural --codec bf16\n"
        "  gradwire advise results/runs/slow/*.h5 --against results/runs/fast/*.h5     how far such predictions are off",
    )
    advise.add_argument("paths", nargs="*", metavar="RUN.h5", help="recorded runs; codecs are compared within one job")
    advise.add_argument("--ranks", type=_positive, metavar="P", help="predict for so many ranks (default: the runs'; a described job: 4)")
    advise.add_argument("--rate", metavar="RATE", help="bandwidth of each rank's line, such as 1gbit (default: the runs', else 1gbit)")
    advise.add_argument("--latency", metavar="TIME", help="of a message (default: what fits the runs' times, else 50us)")
    advise.add_argument("--collective", metavar="NAME", help="predict for this one (default: the runs'; a described job: gather_bcast)")
    advise.add_argument("--dim", type=_positive, metavar="D", help="describe a job: dimension of the gradient …")
    advise.add_argument("--nnz", type=_positive, metavar="N", help="… its nonzeros, of one rank in one step …")
    advise.add_argument("--compute", metavar="TIME", help="… and the time of gradient and update, such as 5ms (default: 0s)")
    advise.add_argument("--codec", action="append", default=[], metavar="SPEC", help="a codec for the described job; may be repeated")
    advise.add_argument("--against", nargs="+", default=[], metavar="RUN.h5", help="predict these runs from the others; prints the errors")
    _add_results(advise)
    advise.set_defaults(command=_advise)

    for name, text in (("figures", "draw figures again from run files"), ("tables", "write tables again from run files")):
        command = commands.add_parser(name, help=text)
        command.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="all that have runs when none is named")
        _add_results(command)
        command.set_defaults(command=_redraw, what=name)
    return parser


def _add_run_options(parser, results=RESULTS):
    """What `run` takes, and so does what starts it, which finds the options again in `run_options`. results: default of --results."""
    before = len(parser._actions)
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a TOML file, or the name of one in experiments/")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value", help="override one key; may be repeated")
    parser.add_argument("--codec", metavar="SPEC", help="this codec instead of the file's, and instead of a sweep over codecs")
    _add_results(parser, results)
    parser.add_argument("--resume", action="store_true", help="go on with unfinished runs from their last checkpoint")
    parser.add_argument("--dry-run", action="store_true", help="print the runs and whether they are legal; do nothing")
    parser.add_argument("--record-gradients", action="store_true", help="keep some fresh gradients under DIR/gradients, for bench codecs")
    parser.add_argument("--record-steps", type=_positive, metavar="N", help="with it: so many per epoch and rank (default: 4)")
    parser.add_argument("--ranks", type=_positive, metavar="P", help="number of ranks: starts `mpiexec -n P` unless it runs already")
    parser.set_defaults(run_options=parser._actions[before:])


def _add_results(parser, default=RESULTS):
    help = f"folder of runs, figures and tables (default: {default or 'as below'})"
    parser.add_argument("--results", default=default, metavar="DIR", help=help)


def _positive(text):
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer ≥ 1, got {text!r}")
    return int(text)


def _sizes(text):
    sizes = [_positive(part) for part in text.split(",")]
    if any(size % 4 for size in sizes):
        raise argparse.ArgumentTypeError(f"expected multiples of 4 bytes, got {text!r}")
    return tuple(sizes)


def _run(args):
    found = launch.launcher()
    size = found.size if found else args.ranks or 1
    experiment = error = None
    try:
        experiment = _experiment(args, found, size)
    except GradwireError as problem:
        if args.dry_run or size == 1 or not found:
            raise
        error = problem  # of this rank, perhaps of this one alone: all must hear of it, or the others wait for ever
    if args.dry_run:
        return _dry_run(experiment.runs(), args.results, size) if launch.speaks() else 0
    if size > 1 and not found:
        launch.mpiexec(size, args.arguments)
    try:
        comm = _world(args.ranks)
    except ConfigError as problem:
        raise error or problem from None
    try:
        launch.agree(comm, error)
        paths = _train_all(experiment.runs(), args, comm)
        if comm.rank == 0:
            from .report import summarise

            print(summarise(args.results, experiment.name, paths), flush=True)
    except BaseException as problem:
        return launch.fail(problem, comm)
    return 0


def _lab(args):
    """Every lab of --rate, one after the other; the exit status of the first that fails."""
    from .network.lab import Lab

    if launch.launcher():
        raise ConfigError("lab starts its own ranks: start it without mpiexec or srun")
    labs = [Lab.of(args.hosts, rate, args.ppn, args.latency) for rate in args.rate]
    launch.check_ranks(args.ranks, labs[0].ranks)
    folders = [args.results] if args.results and len(labs) == 1 else [str(Path(args.results or "results/lab", lab.name)) for lab in labs]
    experiment = _experiment(args, None, labs[0].ranks)
    if args.dry_run:
        return max(_dry_run(experiment.runs(), folder, lab.ranks) for lab, folder in zip(labs, folders))
    for lab, folder in zip(labs, folders):
        _check_network(experiment.runs(), folder, lab)
    labs[0].check()
    _prepare_data(experiment.runs())
    for lab, folder in zip(labs, folders):
        command = [sys.executable, "-m", "gradwire", "run", *_words(args.run_options, args, {"results": folder})]
        code = lab.run(command, say=_say)
        if code:
            return code
    return 0


def _check_network(runs, results, lab):
    """ConfigError if one of the runs has been recorded in `results` on another network: it would be taken for one of this lab."""
    from .recorder import load_run, run_path, run_state

    for path in (run_path(results, run) for run in runs):
        if run_state(path) == "missing":
            continue
        recorded = load_run(path).environment
        if not lab.described().items() <= json.loads(recorded.get("lab") or "{}").items():
            found = f"{recorded['network']} at {recorded['link_rate_bps']:g} bit/s"
            raise ConfigError(f"{path}: expected a run of lab {lab.name}, got one of another network, {found}; choose another --results")


def _prepare_data(runs):
    """What is missing in the cache, here: the hosts of a lab have no way out."""
    from . import data, logs

    with logs.shown(logs.progress(0, [])):
        for dataset in {json.dumps(run.settings()["data"]): run.dataset() for run in runs}.values():
            data.load(dataset)


def _words(options, args, changed):
    """The command line that gives these options the values of `args`, some of them changed."""
    words = []
    for option in options:
        value = changed.get(option.dest, getattr(args, option.dest))
        if not option.option_strings:
            words.append(value)
        elif value is True:
            words.append(option.option_strings[0])
        elif value not in (None, False):
            for entry in value if isinstance(value, list) else [value]:
                words.append(f"{option.option_strings[0]}={entry}")
    return words


def _say(line):
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _experiment(args, found, size):
    """The experiment, checked for this launch. Nothing here touches MPI."""
    from . import config

    if args.record_steps and not args.record_gradients:
        raise ConfigError("--record-steps says how many gradients --record-gradients keeps; it was not given")
    if found:
        launch.check_ranks(args.ranks, found.size)
    experiment = config.load(args.experiment, args.set, args.codec, ranks=size)
    for run in experiment.runs() if not args.dry_run else ():
        run.check(size)
    return experiment


def _world(ranks):
    """The world communicator, checked against the launcher. This initialises MPI."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ConfigError(f"mpi4py cannot load an MPI library: {error}; `pip install 'gradwire[mpich]'` brings one") from error
    launch.check_world(MPI.COMM_WORLD.size, ranks)
    return MPI.COMM_WORLD


def _train_all(runs, args, comm):
    """Train what is not finished; returns the paths of all run files. A collective call."""
    from . import data, environment, logs, recorder
    from .training import train

    environment.keep_freed_memory()

    plan = launch.on_root(comm, _plan, runs, args.results, args.resume, args.record_gradients)
    todo = [(run, state) for run, (_, state) in zip(runs, plan) if state != "finished"]
    progress = logs.progress(comm.rank, [run for run, _ in todo])
    for run, (path, state) in zip(runs, plan):
        if state == "finished":
            progress.note(f"{run.run_id}: skipped, finished already in {path}")
    with logs.shown(progress):
        for dataset in {json.dumps(run.settings()["data"]): run.dataset() for run, _ in todo}.values():
            data.load(dataset, rank=comm.rank, size=comm.size, barrier=comm.Barrier)
        for run, state in todo:
            with ExitStack() as held:
                launch.on_root(comm, _claim, held, recorder.run_path(args.results, run), state)
                record = (args.record_steps or 4) if args.record_gradients else 0
                train(run, comm, args.results, resume=state == "unfinished", progress=progress, record_gradients=record)
    return [path for path, _ in plan]


def _claim(held, path, state):
    """Let `held` hold the right to write the run of `path`, which must still be in this state."""
    from .recorder import claim

    held.enter_context(claim(path, state))


def _plan(runs, results, resume, record_gradients):
    """[(path of the run file, its state)]. ConfigError for unfinished runs without --resume, and for finished ones without gradients."""
    from .gradients import recorded_whole
    from .recorder import run_path, run_state

    Path(results).mkdir(parents=True, exist_ok=True)
    plan = [(path, run_state(path)) for path in (run_path(results, run) for run in runs)]
    unfinished = [str(path) for path, state in plan if state == "unfinished"]
    if unfinished and not resume:
        raise ConfigError(f"{', '.join(unfinished)}: unfinished; add --resume to go on, or delete it to begin again")
    if record_gradients:
        unrecorded = [str(path) for run, (path, state) in zip(runs, plan) if state != "missing" and not recorded_whole(results, run, state)]
        if unrecorded:
            raise ConfigError(f"{', '.join(unrecorded)}: begun without recorded gradients; choose another --results, or delete it")
    return plan


def _dry_run(runs, results, size):
    """Print the plan. 2 if a run is not legal."""
    from . import listing
    from .recorder import run_path, run_state

    rows, problems = [], []
    for run in runs:
        try:
            run.check(size)
            legal = "yes"
        except IncompatibleError as error:
            problems.append(f"gradwire: {run.run_id}: {error}")
            legal = "no"
        state = run_state(run_path(results, run))
        rows.append((run.run_id, run.uplink, run.collective["name"], "new" if state == "missing" else state, legal, _steps(run, size)))
    print(listing.aligned(("run", "codec", "collective", "state", f"legal on {size}", "steps"), rows))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 2 if problems else 0


def _steps(run, size):
    """ "327 × 10 epochs", if the data set is prepared."""
    from . import data

    dataset = run.dataset()
    known = data.is_prepared(dataset)
    steps = run.steps_per_epoch(data.load(dataset).train.n_rows, size) if known else "(data not prepared)"
    return f"{steps} × {run.epochs} epochs"


def _list(args):
    from . import listing

    print(listing.plugins([args.kind] if args.kind else KINDS))


def _inspect(args):
    from . import listing
    from .recorder import load_run

    print("\n\n".join(listing.run_text(load_run(path)) for path in args.paths))


def _check(args):
    from . import listing

    if bool(args.spec) == args.all:
        raise ConfigError("check: expected a specification or --all, and not both")
    failed = parts = 0
    for title, part in listing.checked(args.spec, args.kind):
        parts += 1
        print(title, flush=True)
        problems = 0
        for line, problem in listing.check_lines(part):
            problems += problem
            print(line, flush=True)
        failed += problems > 0
    print(f"\n{parts - failed} of {parts} conform")
    return 1 if failed else 0


def _data(args):
    from . import config, data, listing, logs, settings, spec

    options = {"name": args.name}
    for text in args.set:
        path, value = settings.parse_override(text)
        settings.put(options, path, value)
    named = config.plugin("data", options)
    dataset = spec.build("datasets", named["name"], named["options"])
    if args.action == "prepare":
        with logs.shown(logs.progress(0, [])):
            data.load(dataset)
    facts = data.describe(dataset) if data.is_prepared(dataset) else None
    print(listing.dataset_text(args.name, dataset, named["options"], facts))


def _bench_compute(args):
    from . import environment, listing
    from .bench import compute

    environment.keep_freed_memory()
    rows = compute.run()
    print(listing.aligned(tuple(rows[0]), [tuple(row.values()) for row in rows]))


def _bench_codecs(args):
    from functools import partial

    from tqdm import tqdm

    from . import environment
    from .bench import codecs
    from .report.codecs import summarise

    environment.keep_freed_memory()
    progress = partial(tqdm, unit="case", disable=None, leave=False)
    path = codecs.path(args.results)
    path.parent.mkdir(parents=True, exist_ok=True)  # what cannot be written is known before anything is measured
    asked = {"gradients": args.gradients, "with_peers": args.peers, "nnz": args.nnz, "repeats": args.repeats}
    rows, notes = codecs.run(args.specs, **asked, progress=progress)
    codecs.save(path, rows, notes)
    print(summarise(path, args.results, path.stem if args.specs or args.gradients else "codecs"))


def _bench_collectives(args):
    """Under mpiexec one launch; else start --launches of them, each of which leaves its rows in a file, and put them together."""
    found = launch.launcher()
    if found:
        launch.check_ranks(args.ranks, found.size)
        return _measure_collectives(args)
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
    return _report_collectives(args, attributes, rows)


def _measure_collectives(args):
    from mpi4py import MPI

    from . import environment
    from .bench import collectives

    comm = _world(args.ranks)
    try:
        environment.keep_freed_memory()
        attributes = environment.describe(comm, MPI.Get_library_version(), MPI.Get_version())
        offsets = collectives.clock_offsets(comm)
        attributes["clock_offsets"] = "; ".join(f"rank {rank}: {a * 1e6:.2f} ± {b * 1e6:.2f} µs" for rank, (a, b) in enumerate(offsets))
        rows = collectives.measure(comm, args.collectives, args.sizes or collectives.SIZES, args.calls, args.launch)
        if comm.rank == 0 and args.rows:
            Path(args.rows).write_text(json.dumps([attributes, rows]))
        elif comm.rank == 0:
            _report_collectives(args, attributes, rows)
    except BaseException as problem:
        return launch.fail(problem, comm)
    return 0


def _report_collectives(args, attributes, rows):
    from datetime import UTC, datetime

    from .bench import collectives
    from .report.collectives import summarise

    path = Path(args.results) / "bench" / f"collectives-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.hdf5"
    collectives.save(path, rows, attributes)
    print(summarise(path, args.results), flush=True)


def _advise(args):
    from .report.advise import comparisons, summarise

    if args.against:
        from .network.model import predictions
        from .report.load import read

        _only_runs(args, "--against", ("ranks", "rate", "latency", "collective", "dim", "nnz", "compute", "codec"))
        sources, targets = ([read(Path(path)) for path in paths] for paths in (args.paths, args.against))
        return print(comparisons(predictions(sources, targets)))
    return print(summarise(_described(args) if args.dim or args.nnz else _advised(args), args.results))


def _advised(args):
    from .network import advise

    _only_runs(args, "RUN.h5", ("compute", "codec"))
    return advise.of_runs([Path(path) for path in args.paths], **_network(args))


def _described(args):
    from . import environment
    from .network import advise, described
    from .network.units import duration_s

    if args.paths or not (args.dim and args.nnz):
        raise ConfigError("advise: expected RUN.h5 files, or --dim and --nnz of a described job, and not both")
    environment.keep_freed_memory()
    network = _network(args)
    ranks, collective = network.pop("ranks") or 4, network.pop("collective") or "gather_bcast"
    compute_s = duration_s(args.compute or "0s")
    profiles, vnmse, notes = described.profiles(args.dim, args.nnz, ranks, collective, compute_s, args.codec)
    title = f"described job: dim {args.dim:,}, {args.nnz:,} nonzeros, compute {1e3 * compute_s:g} ms a step"
    return [advise.of_job(profiles, title, vnmse=vnmse, notes=notes, **network)]


def _only_runs(args, what, excluded):
    """ConfigError unless there are run files, and none of the options that say nothing beside `what`."""
    if not args.paths:
        raise ConfigError("advise: expected RUN.h5 files, or --dim and --nnz of a described job")
    given = [f"--{name}" for name in excluded if getattr(args, name)]
    if given:
        raise ConfigError(f"advise: {', '.join(given)} has no use beside {what}")


def _network(args):
    from .network.units import duration_s, rate_bps

    rate, latency = args.rate and rate_bps(args.rate), args.latency and duration_s(args.latency)
    return {"ranks": args.ranks, "rate": rate, "latency": latency, "collective": args.collective}


def _redraw(args):
    from . import report

    names = [name.removesuffix(".toml").rpartition("/")[2] for name in args.experiments]
    for path in getattr(report, args.what)(args.results, names):
        print(f"wrote {path}")

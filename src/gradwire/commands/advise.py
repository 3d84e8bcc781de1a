"""`gradwire advise`: which codec pays on which network."""

from pathlib import Path

from ..errors import ConfigError
from .options import add_results, positive


def add(commands):
    advise = commands.add_parser(
        "advise",
        help="which codec pays on which network: predicted step times and break-even bandwidths, from runs or for a described job",
        epilog="examples:\n"
        "  gradwire advise results/runs/quickstart/*.h5 --ranks 16 --rate 1gbit --latency 50us\n"
        "  gradwire advise --dim 54686452 --nnz 100000 --ranks 8 --rate 10gbit --compute 5ms --codec natural --codec bf16\n"
        "  gradwire advise results/runs/slow/*.h5 --against results/runs/fast/*.h5     how far such predictions are off",
    )
    advise.add_argument("paths", nargs="*", metavar="RUN.h5", help="recorded runs; codecs are compared within one job")
    advise.add_argument("--ranks", type=positive, metavar="P", help="predict for so many ranks (default: the runs'; a described job: 4)")
    advise.add_argument("--rate", metavar="RATE", help="bandwidth of each rank's line, such as 1gbit (default: the runs', else 1gbit)")
    advise.add_argument("--latency", metavar="TIME", help="of a message (default: what fits the runs' times, else 50us)")
    advise.add_argument("--collective", metavar="NAME", help="predict for this one (default: the runs'; a described job: gather_bcast)")
    advise.add_argument("--dim", type=positive, metavar="D", help="describe a job: dimension of the gradient …")
    advise.add_argument("--nnz", type=positive, metavar="N", help="… its nonzeros, of one rank in one step …")
    advise.add_argument("--compute", metavar="TIME", help="… and the time of gradient and update, such as 5ms (default: 0s)")
    advise.add_argument("--codec", action="append", default=[], metavar="SPEC", help="a codec for the described job; may be repeated")
    advise.add_argument("--against", nargs="+", default=[], metavar="RUN.h5", help="predict these runs from the others; prints the errors")
    advise.add_argument(
        "--bench",
        action="append",
        default=[],
        metavar="FILE",
        help="of bench collectives on the runs' network: fitted too; may be repeated",
    )
    add_results(advise)
    advise.set_defaults(command=_advise)


def _advise(args, say):
    from ..report.advise import comparisons, summarise

    if args.against:
        from ..network.crossings import crossings
        from ..network.model import SAME, predictions
        from ..report.load import read

        _only_runs(args, "--against", ("ranks", "rate", "latency", "collective", "dim", "nnz", "compute", "codec"))
        sources, targets = ([read(Path(path)) for path in paths] for paths in (args.paths, args.against))
        found = predictions(sources, targets, _benchmarked(args))
        missing = len(targets) - len(found)
        note = f"Left out: {missing} of {len(targets)} runs, for which there is no run of the same codec and collective, {SAME}."
        return say(comparisons(found, crossings(found), [note] if missing else []))
    return say(summarise(_described(args) if args.dim or args.nnz else _advised(args), args.results))


def _advised(args):
    from ..network import advise

    _only_runs(args, "RUN.h5", ("compute", "codec"))
    return advise.of_runs([Path(path) for path in args.paths], **_network(args), extra=_benchmarked(args))


def _benchmarked(args):
    """[Measurement] of all files of --bench."""
    from ..network.calls import benchmarked

    return [one for path in args.bench for one in benchmarked(path)]


def _described(args):
    from .. import environment
    from ..network import advise, described
    from ..network.units import duration_s

    if args.paths or not (args.dim and args.nnz):
        raise ConfigError("advise: expected RUN.h5 files, or --dim and --nnz of a described job, and not both")
    if args.bench:
        raise ConfigError("advise: --bench has no use beside --dim: a described job is not fitted")
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
    from ..network.units import duration_s, rate_bps

    rate, latency = args.rate and rate_bps(args.rate), args.latency and duration_s(args.latency)
    return {"ranks": args.ranks, "rate": rate, "latency": latency, "collective": args.collective}

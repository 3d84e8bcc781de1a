"""`gradwire lab`: `gradwire run` across the hosts of one shaped lab after another."""

import sys
from pathlib import Path

from .. import launch
from ..errors import ConfigError
from .options import add_run_options, positive, words
from .planning import check_network, dry_run, experiment_of, prepare_data


def add(commands):
    lab = commands.add_parser(
        "lab",
        help="run an experiment across hosts that are network namespaces of this machine, over links of a given rate",
        epilog="examples:\n"
        "  gradwire lab quickstart --hosts 4 --rate 100mbit\n"
        "  gradwire lab quickstart --hosts 2 --ppn 2 --rate 1gbit,100mbit --codec fastsgd --results trial\n"
        "  gradwire lab quickstart --hosts 4 --rate 100mbit --rate 1gbit      a sweep: one lab after the other\n\n"
        "Without --results, the results of each lab have a folder of their own: results/lab/4x1-100mbit. A sweep makes these in DIR.",
    )
    lab.add_argument("--hosts", type=positive, required=True, metavar="H", help="number of hosts, at least 2")
    lab.add_argument(
        "--rate", action="append", required=True, metavar="RATE", help="of every link, such as 1gbit, or one for each host: 1gbit,100mbit,…"
    )
    lab.add_argument("--ppn", type=positive, default=1, metavar="N", help="ranks per host (default: %(default)s)")
    lab.add_argument("--latency", default="0ms", metavar="TIME", help="added one way, such as 1ms; needs netem in the kernel")
    add_run_options(lab, results=None)
    lab.set_defaults(command=_lab)


def _lab(args, say):
    """Every lab of --rate, one after the other; the exit status of the first that fails."""
    from ..network.lab import Lab
    from ..recorder import run_path

    if launch.launcher():
        raise ConfigError("lab starts its own ranks: start it without mpiexec or srun")
    labs = [Lab.of(args.hosts, rate, args.ppn, args.latency) for rate in args.rate]
    launch.check_ranks(args.ranks, labs[0].ranks)
    folders = [args.results] if args.results and len(labs) == 1 else [str(Path(args.results or "results/lab", lab.name)) for lab in labs]
    experiment = experiment_of(args, None, labs[0].ranks)
    if args.dry_run:
        return max(dry_run(experiment, folder, lab.ranks, lab.network(), say) for lab, folder in zip(labs, folders))
    for lab, folder in zip(labs, folders):
        check_network([run_path(folder, run) for run in experiment.runs()], lab.network())
    labs[0].check()
    prepare_data(experiment.runs())
    for lab, folder in zip(labs, folders):
        command = [sys.executable, "-m", "gradwire", "run", *words(args.run_options, args, {"results": folder})]
        code = lab.run(command, say=launch.tell)
        if code:
            return code
    return 0

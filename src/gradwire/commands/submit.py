"""`gradwire submit`: an experiment as jobs of a Slurm cluster. Nothing is submitted that `gradwire run` would refuse there."""

import argparse
import json
import os
import shlex
import sys
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from .. import environment, launch
from ..errors import ConfigError
from .options import add_run_options, positive, words
from .planning import dry_run, experiment_of, plan_of, prepare_data


def add(commands):
    submit = commands.add_parser(
        "submit",
        help="run an experiment as jobs of a Slurm cluster",
        epilog="examples:\n"
        "  gradwire submit quickstart --nodes 4 --ranks-per-node 8 --time 02:00:00\n"
        "  gradwire submit quickstart --sweep --max-jobs 6      a job for each run, six at a time, then table and figure\n"
        "  gradwire submit quickstart --scaling 1,2,4,8         strong and weak scaling in one job\n"
        "  gradwire submit quickstart --dry-run                 prints the scripts; also where there is no Slurm\n\n"
        "Partition, account, modules and the like stand once in a file, see slurm/site.toml. `gradwire status` says how it goes.",
    )
    submit.add_argument("--nodes", type=positive, metavar="N", help="nodes of a job (default: the site's, else 2)")
    submit.add_argument("--ranks-per-node", type=positive, metavar="R", help="ranks on each (default: the site's, else 2)")
    submit.add_argument("--time", metavar="TIME", help="limit of a job, such as 02:00:00 (default: the site's, else 00:30:00)")
    kind = submit.add_mutually_exclusive_group()
    kind.add_argument("--sweep", action="store_true", help="each run as a job of its own (a job array), then a job that draws all")
    kind.add_argument("--scaling", type=_numbers, metavar="N,…", help="all runs on each of these numbers of nodes, strong and weak scaling")
    submit.add_argument("--max-jobs", type=positive, metavar="K", help="with --sweep: so many at the same time (default: the site's)")
    submit.add_argument("--site", metavar="FILE", help="the site's settings (default: $GRADWIRE_SITE, slurm/site.toml, ~/.config/gradwire)")
    add_run_options(submit)
    submit.set_defaults(command=_submit)


def _numbers(text):
    numbers = [positive(part) for part in text.split(",")]
    if numbers != sorted(set(numbers)):
        raise argparse.ArgumentTypeError(f"expected increasing numbers of nodes, got {text!r}")
    return tuple(numbers)


def _submit(args, say):
    from ..slurm import queue

    site = _site(args)
    if site.cache:
        os.environ["GRADWIRE_CACHE"] = os.path.expandvars(os.path.expanduser(site.cache))
    parts, scaled = _scaled(args, site) if args.scaling else ([(args, site.nodes * site.ranks_per_node)], {})
    here = environment.network() | ({"network": name} if (name := os.environ.get("GRADWIRE_NETWORK") or queue.cluster()) else {})
    todo = []
    for part, ranks in parts:
        launch.check_ranks(args.ranks, ranks)
        experiment = experiment_of(part, None, ranks)
        if args.dry_run and dry_run(experiment, part.results, ranks, here, say):
            return 2
        if not args.dry_run:
            plan_of(experiment.runs(), part.results, args.resume, args.record_gradients, ranks, here)
        todo += _unfinished(experiment, part.results, args.sweep)
    if not todo:
        return say("nothing to submit: all runs are finished")
    if not args.dry_run:
        prepare_data(experiment.runs())
    site, mpi = _launcher(site, say)
    jobs = _jobs(args, site, experiment, todo, {"mpi": mpi, **scaled})
    return _show(jobs, site, args, experiment, say) if args.dry_run else _hand_over(jobs, site, args, experiment, say)


def _site(args):
    """The site's settings, with what the command line says otherwise."""
    from ..schema import checked
    from ..slurm import site

    if args.max_jobs and not args.sweep:
        raise ConfigError("--max-jobs limits the jobs of --sweep; it was not given")
    if args.scaling and (args.nodes or args.ranks):
        raise ConfigError("--scaling says on how many nodes: expected neither --nodes nor --ranks beside it")
    said = {name: getattr(args, name) for name in ("nodes", "ranks_per_node", "time", "max_jobs")}
    said["nodes"] = max(args.scaling) if args.scaling else args.nodes
    found = site.read(site.find(args.site)).model_dump(mode="json")
    return checked(site.Site, "", found | {name: value for name, value in said.items() if value is not None})


def _scaled(args, site):
    """([(arguments of one launch, its ranks)], what the script must know), for --scaling.

    Weak: a rank's step takes what the experiment says. Strong: all ranks' steps take what those of the smallest number of nodes take.
    """
    from .. import data

    fewest = args.scaling[0] * site.ranks_per_node
    experiment = experiment_of(args, None, fewest)
    run = experiment.runs()[0]
    if not args.dry_run:
        prepare_data([run])
    if not data.is_prepared(run.dataset()):
        prepare = shlex.join(["gradwire", "data", "prepare", run.data["name"], *_options_of(run.data["options"])])
        raise ConfigError(f"--scaling: how much a step takes depends on the data; `{prepare}` first")
    rows = data.load(run.dataset()).train.n_rows
    weak = run.rows_per_step(rows, fewest)
    strong = float(f"{run.batch_ratio or min(1, weak * fewest / rows):.6g}")
    root = str(Path(args.results, "scaling"))
    parts = []
    for nodes in args.scaling:
        for kind, change in (("strong", f"run.batch_ratio={strong!r}"), ("weak", f"run.batch_size={weak}")):
            part = copy(args)
            part.set, part.results = [*args.set, change], str(Path(root, kind))
            parts.append((part, nodes * site.ranks_per_node))
    return parts, {"scales": args.scaling, "results": root, "strong": strong, "weak": weak}


def _options_of(options):
    """A data set's options as `gradwire data` takes them; None is what stands there without them."""
    return [f"--set={key}={json.dumps(value, ensure_ascii=False)}" for key, value in options.items() if value is not None]


def _unfinished(experiment, results, tasks):
    """What the list of jobs says of each run that is still to be done."""
    from ..recorder import run_path, run_state

    return [
        {"results": str(results), "run_id": run.run_id, "epochs": run.epochs, "task": number if tasks else None}
        for number, run in experiment.numbered()
        if run_state(run_path(results, run)) != "finished"
    ]


def _launcher(site, say):
    """(site, srun's --mpi), the site changed to mpiexec if srun cannot start this MPI library's ranks."""
    from ..slurm import pmi

    if site.launcher == "mpiexec" or site.mpi != "auto":
        return site, None if site.mpi == "auto" else site.mpi
    python = str(Path(os.path.expandvars(os.path.expanduser(site.venv)), "bin", "python")) if site.venv else sys.executable
    library, offered = pmi.library(python), pmi.available()
    mpi = pmi.fitting(library, offered)
    if library is None:
        raise ConfigError(f'mpi: {python} does not say which MPI library it has; set mpi = "pmi2" or "pmix" in the site\'s TOML')
    if mpi is None:
        launch.tell(
            f"{library} needs --mpi={pmi.PREFERRED[library][0]}, and this srun has {', '.join(offered) or 'none'}: mpiexec starts the ranks"
        )
        return site.model_copy(update={"launcher": "mpiexec"}), None
    return site, mpi


def _jobs(args, site, experiment, todo, details):
    """[(Job, its runs)], in the order in which they run."""
    from .. import data
    from ..slurm.script import Job

    kind = "scaling" if args.scaling else "sweep" if args.sweep else "run"
    changed = {"experiment": str(experiment.path), "ranks": None, "dry_run": None}
    changed |= {"results": None} if args.scaling else {"only": None} if args.sweep else {}
    activate = Path(sys.prefix, "bin", "activate")
    places = {"venv": sys.prefix if activate.is_file() else "", "cache": str(data.cache.root()), "name": experiment.name}
    job = Job(kind, words=tuple(words(args.run_options, args, changed)), output=_output(args, experiment, kind), **places, **details)
    if not args.sweep:
        return [(job, todo)]
    limit = f"%{site.max_jobs}" if site.max_jobs else ""
    array = environment.spans({run["task"] for run in todo}) + limit
    draws = Job("figures", words=(experiment.name, f"--results={args.results}"), output=_output(args, experiment, "figures"), **places)
    return [(replace(job, array=array), todo), (draws, [])]


def _output(args, experiment, kind):
    """sbatch's pattern of a job's output file; % has a meaning in it."""
    from ..slurm.queue import folder

    pattern = "%A_%a" if kind == "sweep" else "%j"
    return f"{str(folder(args.results, experiment.name)).replace('%', '%%')}/{kind}-{pattern}.out"


def _show(jobs, site, args, experiment, say):
    from ..slurm import queue, script

    after = None
    for job, _ in jobs:
        path = queue.folder(args.results, experiment.name) / f"{job.kind}.sbatch"
        say(f"\n==> {path} <==\n{script.text(job, site)}\n$ {shlex.join(queue.sbatch_command(path, after))}")
        after = "JOBID"


def _hand_over(jobs, site, args, experiment, say):
    """Write, submit and note each job."""
    from ..slurm import queue, script

    folder, after = queue.folder(args.results, experiment.name), None
    folder.mkdir(parents=True, exist_ok=True)
    for job, runs in jobs:
        path = folder / f"{job.kind}.sbatch"
        path.write_text(script.text(job, site), encoding="utf-8")
        after = queue.submit(path, after)
        entry = {"job": after, "kind": job.kind, "submitted_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "script": str(path)}
        queue.keep(args.results, experiment.name, entry | {"output": job.output, "runs": runs})
        what = f"{len(runs)} run{'s' if len(runs) != 1 else ''}" if runs else "tables and figures, when these are over"
        say(f"submitted job {after}: {what} ({path})")
    where = "" if args.results == "results" else f" --results {shlex.quote(args.results)}"
    say(f"`gradwire status {shlex.quote(experiment.name)}{where} --follow` says how it goes")

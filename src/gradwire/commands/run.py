"""`gradwire run`: train as an experiment file says, on the ranks of this launch."""

import json
from contextlib import ExitStack

from .. import alike, environment, launch
from ..errors import ConfigError, GradwireError, Stopped
from ..interruption import Interruption
from .options import WATCHDOG_S, add_run_options
from .planning import dry_run, experiment_of, plan_of, world


def add(commands):
    run = commands.add_parser(
        "run",
        help="train as an experiment file says and record everything; start it under mpiexec, or with --ranks",
        epilog="examples:\n"
        "  mpiexec -n 4 gradwire run experiments/quickstart.toml\n"
        "  gradwire run quickstart --ranks 2 --codec 'topk(ratio=0.01)+natural' --set run.epochs=2 --results trial",
    )
    add_run_options(run)
    run.set_defaults(command=_run)


def _run(args, say):
    found = launch.launcher()
    size = found.size if found else args.ranks or 1
    experiment = error = None
    try:
        experiment = experiment_of(args, found, size)
    except GradwireError as problem:
        if args.dry_run or size == 1 or not found:
            raise
        error = problem  # of this rank, perhaps of this one alone: all must hear of it, or the others wait for ever
    if args.dry_run:
        return dry_run(experiment, args.results, size, environment.network(), say) if launch.speaks() else 0
    if size > 1 and not found:
        launch.mpiexec(size, args.arguments)
    try:
        comm = world(args.ranks)
    except ConfigError as problem:
        raise error or problem from None
    try:
        with Interruption(comm) as interruption:  # at once: MPICH drops SIGUSR1 where nobody has asked for it
            launch.agree(comm, error)
            launch.agree(comm, alike.problem(comm, experiment.runs(), args))
            paths = _train_all(experiment.runs(), args, comm, interruption)
            if comm.rank == 0:
                from .. import report

                # Other jobs may be writing the runs that --only leaves out, and each would draw over the other's table.
                summary = report.some if args.only else report.summarise
                say(summary(args.results, experiment.name, paths))
    except BaseException as problem:
        return launch.fail(problem, comm)
    return 0


def refuse(error):
    """End with a usage error of this rank, perhaps of this one alone, on all ranks; returns the exit status."""
    try:
        comm = world(None)
    except ConfigError:
        return launch.fail(error)
    try:
        launch.agree(comm, error)
    except launch.AgreedError as agreed:
        return launch.fail(agreed, comm)


def _train_all(runs, args, comm, interruption):
    """Train what is not finished; returns the paths of all run files. A collective call."""
    from .. import checkpoint, data, logs, recorder
    from ..training import train
    from ..watchdog import Watchdog

    environment.keep_freed_memory()
    plan = launch.on_root(comm, plan_of, runs, args.results, args.resume, args.record_gradients, comm.size)
    todo = [(run, state) for run, _, state in plan if state != "finished"]
    progress = logs.progress(comm.rank, [run for run, _ in todo])
    for run, path, state in plan:
        if state == "finished":
            progress.note(f"{run.run_id}: skipped, finished already in {path}")
            checkpoint.Checkpoint(args.results, run, comm.rank, comm.size).clear()  # what a kill right after its end has left
    with logs.shown(progress):
        for dataset in {json.dumps(run.settings()["data"]): run.dataset() for run, _ in todo}.values():
            data.load(dataset, rank=comm.rank, size=comm.size, barrier=comm.Barrier)
        record = (args.record_steps or 4) if args.record_gradients else 0
        with Watchdog(comm, WATCHDOG_S if args.watchdog is None else args.watchdog) as dog:
            interruption.comm = dog.comm  # which tells the watchdog where it waits
            for run, state in todo:
                if interruption.agreed():
                    raise Stopped(f"stopped before {run.run_id}; start again with --resume")
                with ExitStack() as held:
                    launch.on_root(comm, _claim, held, recorder.run_path(args.results, run), state)
                    train(
                        run, dog.comm, args.results, resume=state == "unfinished", progress=progress, record_gradients=record,
                        watch=dog.watch, interruption=interruption,
                    )  # fmt: skip
    return [path for _, path, _ in plan]


def _claim(held, path, state):
    """Let `held` hold the right to write the run of `path`, which must still be in this state."""
    from ..recorder import claim

    held.enter_context(claim(path, state))

"""What `run` and `lab` do before they train: the experiment, its plan, the network and the data, checked."""

import json
import math
from pathlib import Path

from .. import launch
from ..errors import ConfigError, IncompatibleError


def experiment_of(args, found, size):
    """The experiment, checked for this launch. Nothing here touches MPI."""
    from .. import config

    if args.record_steps and not args.record_gradients:
        raise ConfigError("--record-steps says how many gradients --record-gradients keeps; it was not given")
    if found:
        launch.check_ranks(args.ranks, found.size)
    experiment = config.load(args.experiment, args.set, args.codec, ranks=size)
    for run in experiment.runs() if not args.dry_run else ():
        run.check(size)
    return experiment


def world(ranks):
    """The world communicator, checked against the launcher. This initialises MPI."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ConfigError(f"mpi4py cannot load an MPI library: {error}; `pip install 'gradwire[mpich]'` brings one") from error
    launch.check_world(MPI.COMM_WORLD.size, ranks)
    return MPI.COMM_WORLD


def plan_of(runs, results, resume, record_gradients):
    """[(path of the run file, its state)]. ConfigError for unfinished runs without --resume, for finished ones without gradients, and for
    what another network has left."""
    from .. import environment
    from ..gradients import recorded_whole
    from ..recorder import run_path, run_state

    Path(results).mkdir(parents=True, exist_ok=True)
    plan = [(path, run_state(path)) for path in (run_path(results, run) for run in runs)]
    check_network([path for path, _ in plan], environment.network())
    unfinished = [str(path) for path, state in plan if state == "unfinished"]
    if unfinished and not resume:
        raise ConfigError(f"{', '.join(unfinished)}: unfinished; add --resume to go on, or delete it to begin again")
    if record_gradients:
        unrecorded = [str(path) for run, (path, state) in zip(runs, plan) if state != "missing" and not recorded_whole(results, run, state)]
        if unrecorded:
            raise ConfigError(f"{', '.join(unrecorded)}: begun without recorded gradients; choose another --results, or delete it")
    return plan


def check_network(paths, here):
    """ConfigError if one of these files has a run of another network, which would be taken for one of this: the network is not part of a
    run's configuration. here: as environment.network() says it."""
    from ..recorder import load_run, run_state

    for path in paths:
        if run_state(path) == "missing":
            continue
        found = load_run(path).environment
        if _network_text(found) != _network_text(here):
            raise ConfigError(
                f"{path}: expected a run on the network {_network_text(here)}, got one on {_network_text(found)}; choose another --results"
            )


def _network_text(environment):
    """Such as "local" or "shaped at 1e+09 bit/s (hosts 4, ppn 1, …)"; without what was measured of a lab."""
    rate = environment.get("link_rate_bps", math.nan)
    lab = json.loads(environment.get("lab") or "{}")
    facts = ", ".join(f"{name} {lab[name]}" for name in ("hosts", "ppn", "rates_bps", "latency_s") if name in lab)
    speed = "" if math.isnan(rate) else f" at {rate:g} bit/s"
    return environment.get("network", "local") + speed + (f" ({facts})" if facts else "")


def prepare_data(runs):
    """What is missing in the cache, here: the hosts of a lab have no way out."""
    from .. import data, logs

    with logs.shown(logs.progress(0, [])):
        for dataset in {json.dumps(run.settings()["data"]): run.dataset() for run in runs}.values():
            data.load(dataset)


def dry_run(runs, results, size, say):
    """Say the plan. 2 if a run is not legal."""
    from .. import listing
    from ..recorder import run_path, run_state

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
    say(listing.aligned(("run", "codec", "collective", "state", f"legal on {size}", "steps"), rows))
    for problem in problems:
        launch.tell(problem)
    return 2 if problems else 0


def _steps(run, size):
    """ "327 × 10 epochs", if the data set is prepared."""
    from .. import data

    dataset = run.dataset()
    known = data.is_prepared(dataset)
    steps = run.steps_per_epoch(data.load(dataset).train.n_rows, size) if known else "(data not prepared)"
    return f"{steps} × {run.epochs} epochs"

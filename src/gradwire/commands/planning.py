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
    experiment = experiment.only(args.only)
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


def plan_of(runs, results, resume, record_gradients, here=None):
    """[(path of the run file, its state)]. ConfigError for unfinished runs without --resume, for finished ones without gradients, and for
    what another network has left. here: the network of the runs to come, as environment.network() says it."""
    from .. import environment
    from ..gradients import recorded_whole
    from ..recorder import run_path, run_state

    Path(results).mkdir(parents=True, exist_ok=True)
    plan = [(path, run_state(path)) for path in (run_path(results, run) for run in runs)]
    check_network([path for path, _ in plan], here or environment.network())
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
    for path in paths:
        if other := _other_network(path, here):
            raise ConfigError(f"{path}: expected a run on the network {_network_text(here)}, got one on {other}; choose another --results")


def _other_network(path, here):
    """The network of the run in this file, if there is one and it is another than `here`, else None."""
    from ..recorder import load_run, run_state

    if run_state(path) == "missing":
        return None
    found = _network_text(load_run(path).environment)
    return found if found != _network_text(here) else None


def _network_text(environment):
    """Such as "local", or "shaped at 1gbit (lab 4x1-1gbit)"; nothing of what was measured."""
    from ..network.lab import Lab
    from ..network.units import rate_text

    rate, lab = environment.get("link_rate_bps", math.nan), json.loads(environment.get("lab") or "{}")
    speed = "" if math.isnan(rate) else f" at {rate_text(rate)}"
    name = f" (lab {Lab(lab['hosts'], tuple(lab['rates_bps']), lab['ppn'], lab['latency_s']).name})" if lab else ""
    return environment.get("network", "local") + speed + name


def prepare_data(runs):
    """What is missing in the cache, here: the hosts of a lab have no way out."""
    from .. import data, logs

    with logs.shown(logs.progress(0, [])):
        for dataset in {json.dumps(run.settings()["data"]): run.dataset() for run in runs}.values():
            data.load(dataset)


def dry_run(experiment, results, size, here, say):
    """Say the plan. 2 if a run is not legal. here: as environment.network() says it."""
    from .. import listing
    from ..recorder import run_path, run_state

    rows, problems = [], []
    for number, run in experiment.numbered():
        try:
            run.check(size)
            legal = "yes"
        except IncompatibleError as error:
            problems.append(f"gradwire: {run.run_id}: {error}")
            legal = "no"
        path = run_path(results, run)
        state = "of another network" if _other_network(path, here) else run_state(path).replace("missing", "new")
        rows.append((number, run.run_id, run.uplink, run.collective["name"], state, legal, _steps(run, size)))
    say(listing.aligned(("no", "run", "codec", "collective", "state", f"legal on {size}", "steps"), rows))
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

"""What `run` and `lab` do before they train: the experiment, its plan, the network and the data, checked."""

import json
import math
from dataclasses import replace
from pathlib import Path

from .. import launch
from ..errors import ConfigError, DataError, IncompatibleError


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


def plan_of(runs, results, resume, record_gradients, size, here=None):
    """[(run, path of its file, its state)], with --resume as other ranks than these `size` have begun it. ConfigError for unfinished runs
    without --resume, for finished ones without gradients, and for what another network has left; IncompatibleError for those that need
    the number of ranks that began them. here: the network of the runs to come, as environment.network() says it."""
    from .. import environment
    from ..gradients import recorded_whole
    from ..recorder import is_claimed, run_path, run_state

    Path(results).mkdir(parents=True, exist_ok=True)
    runs = [_begun(run, results, size) if resume else run for run in runs]
    plan = [(run, path, run_state(path)) for run, path in ((run, run_path(results, run)) for run in runs)]
    check_network([path for _, path, _ in plan], here or environment.network())
    for _, path, state in plan:
        if state == "unfinished" and is_claimed(path):
            raise ConfigError(f"{path}: another gradwire is writing this run; wait for it, or choose another --results")
    unfinished = [str(path) for _, path, state in plan if state == "unfinished"]
    if unfinished and not resume:
        raise ConfigError(f"{', '.join(unfinished)}: unfinished; add --resume to go on, or delete it to begin again")
    if record_gradients:
        unrecorded = [str(path) for run, path, _ in plan if not recorded_whole(results, run, _kept_epochs(run, path, results, size))]
        if unrecorded:
            raise ConfigError(f"{', '.join(unrecorded)}: begun without recorded gradients; choose another --results, or delete it")
    return plan


def _begun(run, results, size):
    """`run`, or if it has nothing to go on with and another number of ranks began it, that one: checked, and not being written now."""
    from ..recorder import is_claimed, load_run, run_path, run_state

    own = run_path(results, run)
    others = [replace(run, ranks=ranks) for ranks in _ranks_of(own.parent, run)] if run_state(own) == "missing" else [run]
    found = []
    for other in others:
        path = run_path(results, other)
        if not path.exists() or (other != run and is_claimed(path)):
            continue
        recorded = load_run(path)
        if recorded.finished:
            if other != run and recorded.epochs["ranks"][-1] == size:
                return other  # these ranks finished it
            continue
        at = _place_of(other, recorded, results, size)
        if at and at.ranks not in (None, size):
            other.check_other_ranks()
        if at and other != run:
            found.append(other)
    if len(found) > 1:
        begun = ", ".join(str(run_path(results, other)) for other in found)
        raise ConfigError(f"--resume: expected one run to go on with on {size} ranks, got {begun}; delete those that are not wanted")
    return found[0] if found else run


def _place_of(run, recorded, results, size):
    """The Place from which `size` ranks would go on with an unfinished run, None if that is its start."""
    from ..checkpoint import Checkpoint

    return Checkpoint(results, run, 0, size).latest(run.error_feedback or run.local_steps > 1, len(recorded.epochs["ranks"]))


def _kept_epochs(run, path, results, size):
    """How many epochs of the run of `path` are not trained (again), one that was begun among them."""
    from ..recorder import load_run, run_state

    if run_state(path) == "missing":
        return 0
    recorded = load_run(path)
    if recorded.finished:
        return len(recorded.epochs["ranks"]) - bool(recorded.diverged)  # that epoch may have ended before a gradient was recorded
    at = _place_of(run, recorded, results, size)
    return at.epochs + (at.steps > 0) if at else 0


def _ranks_of(folder, run):
    """Numbers of ranks of the runs in `folder` that may differ from `run` in nothing else."""
    from ..recorder import load_run

    slug = run.run_id.rpartition("-r")[0].rpartition("-")[0]
    found = set()
    for path in folder.glob(f"{slug}-????????-r{run.repeat}.h5"):
        try:
            found.add(load_run(path).ranks)
        except (DataError, OSError, KeyError):  # of no concern here
            continue
    return sorted(found - {run.ranks})


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

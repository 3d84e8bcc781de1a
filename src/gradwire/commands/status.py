"""`gradwire status`: the jobs of experiments and how far each run is. Reads; whatever is running goes on undisturbed."""

import sys
import time
from pathlib import Path

import numpy as np

from .. import regular
from ..errors import ConfigError, DataError
from .options import add_results

FOLLOW_S = 3.0
_TAIL = 1 << 16  # bytes of a job's output in which its last line is looked for
SILENT_S = 60.0
"""A run without a job is taken for running if its last row is younger than this and three of its epochs."""


def add(commands):
    status = commands.add_parser("status", help="how far submitted jobs and recorded runs are")
    status.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="all that have runs or jobs when none is named")
    add_results(status)
    status.add_argument("--follow", action="store_true", help="go on until all is over; exit status 1 if something was not finished")
    status.set_defaults(command=_status)


def _status(args, say):
    from ..slurm import queue

    named = [name.removesuffix(".toml").rpartition("/")[2] for name in args.experiments]
    known = sorted({*queue.names(args.results), *(path.parent.name for path in Path(args.results).glob("runs/*/*.h5"))})
    missing = [name for name in named if name not in known]
    if missing or not known:
        raise ConfigError(
            f"no runs or jobs of {', '.join(missing) or 'any experiment'} under {args.results}; there are: {', '.join(known) or 'none'}"
        )
    shown = []
    while True:
        found = [_experiment(args.results, name) for name in named or known]
        lines = "\n\n".join(text for text, _, _ in found).split("\n")
        if sys.stdout.isatty() and args.follow:
            say("\033[H\033[2J" + "\n".join(lines))
        elif fresh := [line for line in lines if line not in shown]:
            say("\n".join(fresh))
        shown = lines
        if not args.follow:
            return 0
        if not any(active for _, active, _ in found):
            return 0 if all(good for _, _, good in found) else 1
        time.sleep(FOLLOW_S)


def _experiment(results, name):
    """(text, whether something is still to come, whether all is well)."""
    from .. import listing
    from ..slurm import queue

    entries = _latest(queue.kept(results, name))
    states = queue.states([entry["job"] for entry in entries])
    jobs = [job for entry in entries for job in _tasks(entry, states)]
    runs = _runs(results, name, jobs)
    blocks = [name]
    if jobs:
        rows = [(job["id"], job["kind"], job["state"], job["note"]) for job in jobs]
        blocks.append(_indented(listing.aligned(("job", "kind", "state", ""), rows)))
    if runs:
        rows = [(run["results"], run["run_id"], run["job"], run["state"], *run["progress"]) for run in runs]
        header = ("results", "run", "job", "state", "epochs", "loss", "s/epoch", "left")
        if len({row[0] for row in rows}) == 1:
            header, rows = header[1:], [row[1:] for row in rows]
        blocks.append(_indented(listing.aligned(header, rows)))
    active = any(job["state"] not in queue.OVER for job in jobs) or any(run["state"] == "running" for run in runs)
    good = all(job["state"] in ("COMPLETED", "gone") for job in jobs) and all(run["state"] == "finished" for run in runs)
    return "\n".join(blocks), active, good


def _latest(entries):
    """The submissions that still say something: the last one of each run, and the last that draws."""
    last = {}
    for number, entry in enumerate(entries):
        for run in entry["runs"] or [{"results": "", "run_id": entry["kind"]}]:
            last[run["results"], run["run_id"]] = number
    return [entries[number] for number in sorted(set(last.values()))]


def _tasks(entry, states):
    """[{id, kind, state, note, runs}] of a submission: one for a job, one for each task of an array."""
    from ..slurm import queue

    found = []
    for task in sorted({run["task"] for run in entry["runs"]}, key=str) if entry["kind"] == "sweep" else [None]:
        job = entry["job"] if task is None else f"{entry['job']}_{task}"
        state, note = states.get(job, ("gone", "Slurm has forgotten it"))
        output = queue.output_of(entry, task)
        if state in queue.OVER and state not in ("COMPLETED", "gone"):
            note = _last_line(output)
        elif output.is_file():
            note = f"{note}  {output}".strip()
        runs = [run for run in entry["runs"] if run["task"] == task]
        found.append({"id": job, "kind": entry["kind"], "state": state, "note": note, "runs": runs})
    return sorted(found, key=lambda job: job["runs"][0]["task"] or 0 if job["runs"] else 0)


def _last_line(path):
    try:
        regular.check(path)
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            text = file.read(_TAIL).decode(errors="replace")
    except OSError as error:
        return f"{path}: {error.strerror}"
    lines = [line for line in text.splitlines() if line.strip()]
    return f"{path}: {''.join(filter(str.isprintable, lines[-1])).strip()}" if lines else f"{path}: empty"


def _runs(results, name, jobs):
    """[{results, run_id, job, state, progress}]: those of jobs, then recorded ones that no job has."""
    asked = {(run["results"], run["run_id"]): (job, run["epochs"]) for job in jobs for run in job["runs"]}
    for path in sorted(Path(results).glob(f"runs/{name}/*.h5")):
        asked.setdefault((str(results), path.stem), (None, None))
    found = []
    for (folder, run_id), (job, epochs) in asked.items():
        path = Path(folder, "runs", name, f"{run_id}.h5")
        state, progress = _recorded(path, job) if path.exists() else ("new", (f"0/{epochs}", "", "", ""))
        found.append({"results": folder, "run_id": run_id, "job": job["id"] if job else "", "state": state, "progress": progress})
    return found


def _recorded(path, job):
    """(state, (epochs, loss, seconds per epoch, rest)) of a run file; a file that cannot be read is "damaged"."""
    from ..logs import duration
    from ..report.load import column, n_epochs, read

    try:
        run = read(path)
        done, total = n_epochs(run), int(run.config["run"]["epochs"])
        ends = column(run, "finished_at_s")
        pace = float(np.median(np.diff(ends))) if done > 1 else float(np.max(column(run, "epoch_time_s"))) if done else 0.0
        loss = f"{column(run, 'test_loss')[-1]:.4f}" if done else ""
    except DataError as error:
        return "damaged", ("", "", "", str(error))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return "damaged", ("", "", "", f"{path}: not what a run records: {error}")
    if run.finished:
        return "finished", (f"{done}/{total}", loss, f"{pace:.2f}" if done else "", "")
    quiet = time.time() - path.stat().st_mtime
    running = job["state"] == "RUNNING" if job else path.with_suffix(".lock").exists() and quiet < max(SILENT_S, 3 * pace)
    rest = duration(pace * (total - done)) if running and done else ""
    return "running" if running else "unfinished", (f"{done}/{total}", loss, f"{pace:.2f}" if done else "", rest)


def _indented(text):
    return "\n".join(f"  {line}" for line in text.splitlines())

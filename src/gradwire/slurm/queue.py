"""Slurm's queue: submitting, asking after jobs, and the list of what was submitted, <results>/slurm/<experiment>/jobs.jsonl.

The list has one JSON object a line: job (id), kind, submitted_at, script, output (sbatch's pattern), runs: [{results, run_id, epochs,
task}], task being the index in an array or null. A line is written at once and synced; one that a crash has cut off, or that was not
written here, is not read.
"""

import json
import os
import re
import subprocess
from pathlib import Path

from ..errors import ConfigError

OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "PREEMPTED", "gone")
"""States of jobs that will not run again by themselves."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def sbatch_command(script, after=None):
    """What submits a script; after: id of the job that must be over before."""
    return ["sbatch", "--parsable", *([f"--dependency=afterany:{after}"] if after else []), str(script)]


def submit(script, after=None):
    """Submit a script; returns the job's id. ConfigError with sbatch's words if it refuses."""
    try:
        done = subprocess.run(sbatch_command(script, after), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ConfigError("no sbatch on PATH: expected a machine that submits to Slurm; --dry-run prints the scripts anywhere") from error
    job = done.stdout.strip().partition(";")[0]
    if done.returncode or not job.isdecimal():
        raise ConfigError(f"sbatch refused {script}: {(done.stderr or done.stdout).strip()}")
    return job


def cluster():
    """The cluster's name as its jobs see it, None where there is no Slurm."""
    for line in (_output("scontrol", "show", "config") or "").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "ClusterName":
            return value.strip()
    return None


def states(jobs):
    """{id: (state, reason or nodes)}; tasks of arrays as "12_3". From squeue, for older jobs from sacct; what neither knows is left out."""
    found = {}
    for line in (
        _output("squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%F|%K|%T|%N|%r") or ""
    ).splitlines():
        job, task, state, nodes, reason = line.split("|", 4)
        if job in jobs:
            found[f"{job}_{task}" if task.isdecimal() else job] = (
                state,
                nodes if state == "RUNNING" else "" if reason == "None" else reason,
            )
    lost = sorted(set(jobs) - {job.partition("_")[0] for job in found})
    if lost:
        said = _output("sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State", f"--jobs={','.join(lost)}") or ""
        found |= {job: (state.partition(" ")[0], "") for job, _, state in (line.partition("|") for line in said.splitlines())}
    return found


def _output(*command):
    """Standard output, None if the command is missing, fails or does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return None if done.returncode else done.stdout


def folder(results, experiment):
    """Where scripts, outputs and the list of jobs of an experiment lie."""
    return Path(results) / "slurm" / experiment


def keep(results, experiment, entry):
    """Add a job to the list."""
    line = f"{json.dumps(entry)}\n".encode()
    with open(folder(results, experiment) / "jobs.jsonl", "ab") as file:
        if file.tell() and not _ends_whole(file.name):
            line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _ends_whole(path):
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def kept(results, experiment):
    """The submitted jobs of an experiment, oldest first."""
    path = folder(results, experiment) / "jobs.jsonl"
    entries = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if _has(entry, job=str, kind=str, output=str, runs=list) and all(map(_is_run, entry["runs"])):
            entries.append(entry)
    return entries


def _is_run(run):
    return _has(run, results=str, run_id=str, epochs=int, task=(int, type(None)))


def _has(entry, **types):
    """Whether `entry` is a dict with values of these types; text in it can be printed."""
    found = [(entry.get(name), kind) for name, kind in types.items()] if isinstance(entry, dict) else [(None, str)]
    return all(isinstance(value, kind) and not (isinstance(value, str) and _CONTROL.search(value)) for value, kind in found)


def names(results):
    """Names of the experiments that were submitted with these results."""
    return sorted(path.parent.name for path in Path(results).glob("slurm/*/jobs.jsonl"))


def output_of(entry, task=None):
    """Path of a job's output file, of an array that of one task."""
    path = entry["output"].replace("%%", "\0").replace("%j", entry["job"]).replace("%A", entry["job"])
    return Path(path.replace("%a", "" if task is None else str(task)).replace("\0", "%"))

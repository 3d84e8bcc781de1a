"""The text of batch scripts. With default settings it is what stands in slurm/ for users to copy: run.sbatch, sweep.sbatch, scaling.sbatch
and figures.sbatch. `gradwire submit` writes the same scripts with a site's settings and one experiment in them.

What comes from a TOML file or an option is data: it is quoted, and nothing of it is executed. Only a site's `setup` lines are code.
"""

import re
import shlex
from dataclasses import dataclass

from ..errors import ConfigError
from .bodies import BODIES, STAGING
from .site import Site

KINDS = tuple(BODIES)
WARNING_S = 120
"""How long before its time is up a job hears of it: enough for the step that runs and a checkpoint."""

_VARIABLE = re.compile(r"(\$\{?[A-Za-z_][A-Za-z0-9_]*\}?)")
_PLACE = re.compile(r"@(\w+)@")


@dataclass(frozen=True)
class Job:
    """One batch script. kind: of KINDS. words: what `gradwire run` is given (figures: `gradwire tables`); none: what sbatch is given.

    mpi: srun's --mpi. array: such as "0-23%4" (sweep). scales: numbers of nodes; results: folder;
    strong: share of all rows in a step; weak: rows of a rank's step (scaling). output: sbatch's file name pattern. venv: of the virtual
    environment, "" where the site's setup brings gradwire. cache: folder of prepared data. None: what the file to copy says.
    """

    kind: str
    words: tuple = ()
    mpi: str | None = None
    array: str = "0-23%4"
    scales: tuple = (1, 2)
    results: str = "results/scaling"
    strong: float = 0.01
    weak: int = 1000
    name: str = "gradwire"
    output: str | None = None
    venv: str | None = None
    cache: str | None = None


def text(job, site=None):
    """The script of `job` at this site."""
    site = site or Site()
    generated = bool(job.words)
    scales = " ".join(map(str, job.scales))
    experiment = '"$@"' if job.kind == "figures" else '"${@:-experiments/quickstart.toml}"'
    return _filled(
        BODIES[job.kind],
        directives="\n".join(_directives(job, site)),
        words=shlex.join(job.words) if generated else experiment,
        python="\n".join(_python(job, site)),
        data=_filled(STAGING, cache=_cache(job, site), scratch=_scratch(site)).rstrip(),
        start=_start(site),
        launch=_launch(job, site),
        job_id="${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" if job.kind == "sweep" else "$SLURM_JOB_ID",
        scales=shlex.quote(scales) if generated else f'"${{NODES:-{scales}}}"',
        results=shlex.quote(job.results) if generated else f'"${{RESULTS:-{job.results}}}"',
        strong=f"{job.strong:g}",
        weak=job.weak,
    )


def folder(path):
    """`path` as a word of shell in which $NAME, ${NAME} and a leading ~ are replaced, and nothing else is."""
    if path == "~" or path.startswith("~/"):
        path = "$HOME" + path[1:]
    return "".join(f'"{part}"' if _VARIABLE.fullmatch(part) else shlex.quote(part) for part in _VARIABLE.split(path) if part)


def _filled(body, **places):
    """`body` with @name@ replaced; what is filled in is not looked at again."""
    return _PLACE.sub(lambda found: str(places[found[1]]), body)


def _directives(job, site):
    alone = job.kind == "figures"
    said = {
        "job-name": job.name,
        "nodes": 1 if alone else site.nodes,
        "ntasks-per-node": 1 if alone else site.ranks_per_node,
        "cpus-per-task": 1,
        "mem-per-cpu": site.mem_per_cpu,
        "time": site.time,
        **({"array": job.array} if job.kind == "sweep" else {}),
        "output": job.output or ("%x-%A_%a.out" if job.kind == "sweep" else "%x-%j.out"),
    }
    chosen = {"partition": site.partition, "account": site.account, "qos": site.qos}
    sizes = "One core." if alone else "One rank per task, one core per rank."
    lines = [f"# 1. Size. {sizes} Options of sbatch win over these lines."]
    lines += [directive(name, value) for name, value in said.items() if value]
    lines += [directive(name, value) if value else f"##SBATCH --{name}=…" for name, value in chosen.items()]
    lines.append("#SBATCH --exclusive" if site.exclusive and not alone else "##SBATCH --exclusive")
    lines += [_option(option) for option in site.sbatch]
    if alone:
        return lines
    lines.append(
        f"# Warned {WARNING_S} s before its time is up, it stops with a checkpoint, goes back to the queue and continues; its output stays."
    )
    return [*lines, directive("requeue"), directive("open-mode", "append"), directive("signal", f"USR1@{WARNING_S}")]


def directive(name, value=None):
    """A line that sbatch reads. ConfigError for a value that is not of one line."""
    if value is None:
        return f"#SBATCH --{name}"
    if any(ord(char) < 32 for char in str(value)):
        raise ConfigError(f"--{name}: expected text of one line, got {value!r}")
    return f"#SBATCH --{name}={shlex.quote(str(value))}"


def _option(option):
    name, equals, value = option.removeprefix("--").partition("=")
    return directive(name, value if equals else None)


def _python(job, site):
    lines = ["# 2. Python and MPI: what gradwire was installed with."]
    lines += [f"module load {shlex.join(site.modules)}"] if site.modules else ["# module load python mpich"]
    lines += site.setup
    if site.venv:
        lines.append(f"source {folder(site.venv)}/bin/activate")
    elif job.venv is None:
        lines.append('source "${VENV:-.venv}/bin/activate"')
    elif job.venv:
        lines.append(f"source {shlex.quote(job.venv)}/bin/activate")
    return [*lines, "# Ranks are the only parallelism; a thread pool in a library would share their cores.", "export OMP_NUM_THREADS=1"]


def _cache(job, site):
    if site.cache:
        return f"export GRADWIRE_CACHE={folder(site.cache)}"
    return f"export GRADWIRE_CACHE={shlex.quote(job.cache)}" if job.cache else "# export GRADWIRE_CACHE=/shared/$USER/gradwire"


def _scratch(site):
    return f"GRADWIRE_SCRATCH={folder(site.scratch)}" if site.scratch else "# GRADWIRE_SCRATCH=/local"


def _start(site):
    if site.launcher == "mpiexec":
        return "# 4. How ranks start: the MPI library's own mpiexec, which asks Slurm where."
    return "# 4. How srun and MPI meet: pmi2 for MPICH (also the pip-installed one), pmix for Open MPI; `srun --mpi=list` names the site's."


def _launch(job, site):
    part = job.kind == "scaling"
    if site.launcher == "mpiexec":
        return 'mpiexec -n "$ranks"' if part else 'mpiexec -n "$SLURM_NTASKS"'
    mpi = shlex.quote(job.mpi) if job.mpi else '"${MPI_TYPE:-pmi2}"'
    return f"srun --mpi={mpi} --kill-on-bad-exit=1" + (' --nodes="$nodes" --ntasks="$ranks"' if part else "")

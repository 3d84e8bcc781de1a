"""The shell text of the batch scripts, with @places@ that script.py fills. Nothing here comes from a user.

Every script runs under `set -e`; not under `set -u`, which many sites' `module` does not survive.
"""

_REQUEUED = """\
# 75: the ranks were warned (USR1, before the time is up), have kept a checkpoint and want to go on.
if [ "$status" = 75 ]; then
  clean
  scontrol requeue "@job_id@"
fi
exit "$status"
"""
_RESUMES = """\
# A job that was requeued goes on where it stopped.
if [ "${SLURM_RESTART_COUNT:-0}" != 0 ]; then set -- "$@" --resume; fi
"""
_BEGIN = """\
@directives@

set -eo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
set -- @words@

@python@
"""
_RANKS = f"""\
{_BEGIN}
@data@

{_RESUMES}"""

RUN = f"""\
#!/bin/bash
# One experiment on a Slurm cluster. Copy this file, adapt the marked places, submit it from the top of the checkout:
#   sbatch slurm/run.sbatch                                               experiments/quickstart.toml
#   sbatch slurm/run.sbatch experiments/quickstart.toml --codec natural   any experiment and options of `gradwire run`
# `gradwire submit EXPERIMENT.toml` writes such a script and submits it.

{_RANKS}
@start@
status=0
@launch@ gradwire run "$@" || status=$?

{_REQUEUED}"""

SWEEP = f"""\
#!/bin/bash
# Each run of an experiment as a job of its own, in any order, a few at a time. Copy this file, adapt the marked places, submit it from
# the top of the checkout, and what draws all runs after it:
#   sbatch slurm/sweep.sbatch                                             the 24 runs of experiments/quickstart.toml
#   sbatch --array=0-2%2 slurm/sweep.sbatch mine.toml                     `gradwire run mine.toml --dry-run` numbers the runs
#   sbatch --dependency=afterany:JOBID slurm/figures.sbatch mine          when all of them are over
# `gradwire submit EXPERIMENT.toml --sweep` does all of this.

{_RANKS}
@start@
status=0
@launch@ gradwire run "$@" --only "$SLURM_ARRAY_TASK_ID" || status=$?

{_REQUEUED}"""

SCALING = f"""\
#!/bin/bash
# Strong and weak scaling of an experiment: the same runs on more and more nodes of one allocation. Copy this file, adapt the marked
# places, submit it from the top of the checkout:
#   sbatch slurm/scaling.sbatch                                           experiments/quickstart.toml on 1 and 2 nodes
#   NODES="1 2 4 8" sbatch --nodes=8 slurm/scaling.sbatch mine.toml       any experiment and options of `gradwire run`
# `gradwire submit EXPERIMENT.toml --scaling 1,2,4,8` writes such a script and submits it.

{_RANKS}
@start@

# 5. The numbers of nodes, and what stays the same. Strong: all ranks together take this share of the rows in a step. Weak: each rank
# takes so many rows. Each kind has a results folder of its own, whose table compares the steps on all numbers of ranks.
numbers=@scales@
results=@results@
strong=run.batch_ratio=@strong@
weak=run.batch_size=@weak@

failed=0
for nodes in $numbers; do
  ranks=$((nodes * SLURM_NTASKS_PER_NODE))
  for kind in strong weak; do
    status=0
    @launch@ gradwire run "$@" --set "${{!kind}}" --results "$results/$kind" || status=$?
    if [ "$status" = 75 ]; then break 2; fi
    if [ "$status" != 0 ]; then failed=$status; fi
  done
done
if [ "$status" != 75 ]; then
  status=$failed
  for kind in strong weak; do
    gradwire tables "$1" --results "$results/$kind"
    gradwire figures "$1" --results "$results/$kind"
  done
fi

{_REQUEUED}"""

FIGURES = f"""\
#!/bin/bash
# Tables and figures of recorded experiments, on one core: what `gradwire tables` and `gradwire figures` take, or all experiments.
#   sbatch slurm/figures.sbatch
#   sbatch --dependency=afterany:JOBID slurm/figures.sbatch quickstart --results trial

{_BEGIN}
gradwire tables "$@"
gradwire figures "$@"
"""

STAGING = """\
# 3. Prepared data: a folder that all nodes see (default: ~/.cache/gradwire). With GRADWIRE_SCRATCH, a folder on each node's
# own disk, the experiment's data are copied to each node first, and removed at the end.
@cache@
@scratch@
clean() { :; }
if [ -n "${GRADWIRE_SCRATCH:-}" ]; then
  staged=$GRADWIRE_SCRATCH/gradwire-$SLURM_JOB_ID
  on_each_node() { srun --mpi=none --nodes="$SLURM_NNODES" --ntasks="$SLURM_NNODES" --ntasks-per-node=1 "$@"; }
  clean() { on_each_node rm -rf -- "$staged" || rm -rf -- "$staged"; trap - EXIT; }
  trap clean EXIT
  on_each_node gradwire stage "$staged" "$@"
  export GRADWIRE_CACHE=$staged
fi
"""

BODIES = {"run": RUN, "sweep": SWEEP, "scaling": SCALING, "figures": FIGURES}

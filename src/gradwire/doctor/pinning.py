"""Checks of what the ranks compute on: cores and pinning, threads, CPU quota, frequency; and that the ranks run the same software.

ranks: what facts.collect() returned on each rank, in the order of the ranks.
"""

from ..environment import spans
from .finding import ok, problem, warning

PIN = "`mpiexec -bind-to core …` (MPICH), `mpiexec --bind-to core …` (Open MPI) or `srun --cpu-bind=cores …` gives each a core of its own"


def hosts_of(ranks):
    """Host → its ranks' numbers."""
    found = {}
    for rank, facts in enumerate(ranks):
        found.setdefault(facts["host"], []).append(rank)
    return found


def check_cores(ranks):
    """Ranks that must share a core: more of them than cores in a set that they may not leave."""
    crowded, shared = [], []
    for host, members in hosts_of(ranks).items():
        sets = {rank: frozenset(ranks[rank]["cores"]) for rank in members}
        tight = [(cores, [rank for rank in members if sets[rank] <= cores]) for cores in dict.fromkeys(sets.values())]
        tight = [(cores, inside) for cores, inside in tight if len(inside) > len(cores)]
        if tight:
            cores, inside = max(tight, key=lambda one: len(one[1]) / len(one[0]))
            usable = len(frozenset().union(*sets.values()))
            crowded.append((f"{_ranks(inside)} on {host} share core{'s' * (len(cores) > 1)} {spans(cores)}", usable >= len(members)))
        elif len(members) > 1 and any(sets[a] & sets[b] for a in members for b in members if a < b):
            shared.append(f"{_ranks(members)} on {host}: {spans(frozenset().union(*sets.values()))}")
    if crowded:
        advice = PIN if any(enough for _, enough in crowded) else "fine for bytes and losses; for times start no more ranks than cores"
        yield warning("pinning", "; ".join(words for words, _ in crowded), advice)
    elif shared:
        yield ok("pinning", f"not pinned, but no more ranks than cores: {'; '.join(shared)}", f"for steadier times: {PIN}")
    else:
        yield ok("pinning", "; ".join(f"rank {rank}: {spans(facts['cores'])}" for rank, facts in enumerate(ranks[:16])))


def check_threads(ranks):
    """OMP_NUM_THREADS and what BLAS made of it: the threads of a process that has loaded NumPy."""
    most = max(range(len(ranks)), key=lambda rank: ranks[rank]["threads"])
    said = ", ".join(sorted({f"OMP_NUM_THREADS {facts['omp']}" for facts in ranks}))
    about = f"{said}; rank {most} has {ranks[most]['threads']} thread{'s' * (ranks[most]['threads'] > 1)} with BLAS loaded"
    if ranks[most]["threads"] > 1 or any(facts["omp"] not in ("1", "unset") for facts in ranks):
        yield warning(
            "threads", f"{about}: they may take cores from other ranks", "`export OMP_NUM_THREADS=1`; with Slurm, in the batch file"
        )
    else:
        yield ok("threads", about)


def check_quota(ranks):
    """The control groups' limit of each host, against what its ranks and cores could use."""
    short = []
    for host, members in hosts_of(ranks).items():
        quota = min((ranks[rank]["quota"] for rank in members if ranks[rank]["quota"]), default=None)
        cores = len(frozenset().union(*(ranks[rank]["cores"] for rank in members)))
        if quota is not None and quota < cores:
            short.append(f"{host}: the time of {quota:g} of {cores} cores for {len(members)} rank{'s' * (len(members) > 1)}")
    if short:
        yield warning(
            "CPU quota", "; ".join(short), "ranks are stopped in every period that is used up: give the container or job whole cores"
        )
    else:
        yield ok("CPU quota", "no limit below the number of cores")


def check_frequency(ranks):
    found = sorted({name for facts in ranks for name in facts["governors"]})
    if set(found) - {"performance"}:
        yield warning(
            "CPU frequency",
            f"governor {', '.join(found)}: speed changes with load",
            "for steady times: `cpupower frequency-set -g performance`, as root",
        )
    else:
        yield ok("CPU frequency", "governor performance" if found else "the kernel shows no governor: a virtual machine, or a fixed speed")


def check_alike(ranks):
    """The same Python, packages and commit on every rank; the same processor and kernels too, or times differ."""
    for name, judge, why in (
        ("python", problem, "start all ranks from one environment that all hosts see"),
        ("versions", problem, "start all ranks from one environment that all hosts see"),
        ("git_commit", problem, "start all ranks from one checkout that all hosts see"),
        ("simd", warning, "kernels run at different speeds, bytes are the same: unset GRADWIRE_SIMD, or use equal hosts"),
        ("cpu", warning, "the slowest rank sets the pace: use equal hosts for times"),
    ):
        values = {}
        for rank, facts in enumerate(ranks):
            values.setdefault(facts["alike"][name], []).append(rank)
        if len(values) > 1:
            yield judge(_LABELS[name], "; ".join(f"{_ranks(members)}: {value}" for value, members in values.items()), why)
    if all(len({facts["alike"][name] for facts in ranks}) == 1 for name in _LABELS):
        yield ok("equal ranks", f"the same Python, packages, gradwire, kernels and processor; {len(ranks)} in all")


_LABELS = {
    "python": "equal Python",
    "versions": "equal packages",
    "git_commit": "equal gradwire",
    "simd": "equal kernels",
    "cpu": "equal processors",
}


def _ranks(numbers):
    return f"rank{'s' * (len(numbers) > 1)} {spans(numbers)}"

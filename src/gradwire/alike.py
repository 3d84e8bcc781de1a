"""Whether all ranks of a launch are about to do the same with the same programs. What differs would show as a hang, or as ranks that end
with different parameters: a launch of `mpiexec … : …`, another checkout, environment or experiment file on one of the hosts.

Not compared: what may differ and still give equal bytes, such as processors, SIMD levels and the number of cores.
"""

import platform
import sys

from . import spec
from .environment import package_version, spans
from .errors import IncompatibleError

_OPTIONS = ("results", "resume", "record_gradients", "record_steps")
_SHOWN = 60


def problem(comm, runs, args):
    """None, or the same IncompatibleError on every rank if they differ in programs, options or `runs`, their RunConfigs; it says in what,
    and on which ranks. args: the options of `run`. A collective call."""
    differing = differences(comm.allgather(_facts(runs, args)))
    if "runs" in differing:
        order = {"the order of the runs": differing.pop("runs")}
        differing |= differences(comm.allgather(_settings(runs))) or order
    if not differing:
        return None
    return IncompatibleError(f"expected the same on all ranks: {'; '.join(f'{name} is {text}' for name, text in differing.items())}")


def _facts(runs, args):
    """Name → text of everything that must be equal."""
    found = {"Python": platform.python_version(), "byte order": sys.byteorder}
    found |= {name: str(package_version(name)) for name in ("gradwire", "numpy")}
    found |= {f"plug-in {name}": version for name, version in spec.plugin_versions().items()}
    found |= {f"--{name.replace('_', '-')}": str(getattr(args, name)) for name in _OPTIONS}
    return found | {"runs": " ".join(f"{run.experiment}/{run.run_id}" for run in runs)}


def _settings(runs):
    """What makes a difference between runs, key by key: of those that a sweep varies, all their values."""
    found = {"experiment": runs[0].experiment, "number of runs": str(len(runs))}
    every = [dict(_flat(run.settings())) for run in runs]
    for name in dict.fromkeys(name for settings in every for name in settings):
        found[name] = ", ".join(dict.fromkeys(str(settings.get(name, "none")) for settings in every))
    return found


def _flat(settings, prefix=""):
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def differences(everyone):
    """{name: "one value on ranks 0-2, another on rank 3"} of what is not the same in all of these dicts of texts, one of each rank."""
    found = {}
    for name in dict.fromkeys(name for of_rank in everyone for name in of_rank):
        values = {}
        for rank, of_rank in enumerate(everyone):
            values.setdefault(of_rank.get(name, "none"), []).append(rank)
        if len(values) > 1:
            found[name] = ", ".join(f"{_short(value)} on {_ranks(ranks)}" for value, ranks in values.items())
    return found


def _short(text):
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _ranks(ranks):
    return f"rank{'s' if len(ranks) > 1 else ''} {spans(ranks)}"

"""Checks of what is installed and prepared: Python, packages, compiled kernels, data sets, what `gradwire lab` needs."""

import importlib
import os
import pkgutil
import subprocess

from .. import _ext, data, environment, spec
from .._ext import simd
from ..data import cache
from ..errors import ConfigError, DataError
from ..network import lab_needs
from .finding import ok, problem, warning

QUICKSTART = "flights"
REBUILD = "build them again: `python setup.py build_ext --inplace` in the checkout, or `pip install --force-reinstall gradwire`"


def check_software():
    found = environment.machine()
    commit = (
        ""
        if found["git_commit"] == "unknown"
        else f", commit {found['git_commit'][:12]}{'-dirty' * found['git_commit'].endswith('-dirty')}"
    )
    about = f"Python {found['python']}; {found['versions']}{commit}"
    if "h5py" not in found["versions"] or "mpi4py" not in found["versions"]:
        yield problem("software", f"{about}: h5py or mpi4py is missing", "`pip install gradwire` brings both")
    else:
        yield ok("software", about)


def check_kernels():
    """Every compiled module loads, at the SIMD level that the machine has."""
    broken, names = [], [module.name for module in pkgutil.iter_modules(_ext.__path__)]
    for name in names:
        try:
            importlib.import_module(f"{_ext.__name__}.{name}")
        except Exception as error:  # a module that was built for another Python or machine fails in its own way
            broken.append(f"{name}: {error}")
    if broken:
        yield problem("kernels", f"{len(broken)} of {len(names)} do not load: {'; '.join(broken)}", REBUILD)
    elif simd.refused:
        yield problem("kernels", f"GRADWIRE_SIMD: {simd.refused}", "unset it: the highest level is the default")
    elif simd.level() != simd.levels()[-1]:
        yield warning("kernels", f"run at {simd.level()}, this machine has {simd.levels()[-1]}: GRADWIRE_SIMD is set", "unset it for times")
    else:
        yield ok("kernels", f"{len(names)} modules load and run at {simd.level()} on {environment.machine()['cpu']}")


def check_data(cache_root=None):
    """What lies prepared in the cache, and whether the quickstart's data set is there."""
    folder = cache.root(cache_root)
    there, damaged = [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not cache.is_complete(path):
            continue
        try:
            nbytes = sum(cache.read(path).meta["files"].values())
        except DataError as error:
            damaged.append(str(error))
        else:
            there.append(f"{path.name} ({nbytes / 1e6:,.0f} MB)")
    for error in damaged:
        what, _, advice = error.rpartition("; ")
        yield problem("data", what, advice)
    about = f"in {folder}: {', '.join(there) or 'nothing'}"
    try:
        prepared = data.is_prepared(spec.one("datasets", QUICKSTART), cache_root)
    except DataError:  # damaged, said above
        return
    if prepared:
        yield ok("data", about)
    else:
        yield warning(
            "data",
            f"{about}; {QUICKSTART}, the quickstart's, is not prepared",
            f"`gradwire data prepare {QUICKSTART}`, where there is internet",
        )


def check_lab():
    """Namespaces, and tbf and netem in the kernel, for `gradwire lab` alone."""
    try:
        inside = lab_needs.check(environment.find_mpiexec())
    except ConfigError as error:
        yield warning("lab", str(error).removeprefix("lab: "), "only `gradwire lab` needs this")
        return
    environ = {**os.environ, "PATH": lab_needs.search_path(os.environ)}
    missing = []
    for kind, options in (("tbf", ("rate", "1gbit", "burst", "8kb", "latency", "50ms")), ("netem", ("delay", "1ms"))):
        command = [*inside, "tc", "qdisc", "add", "dev", "lo", "root", kind, *options]
        if subprocess.run(command, env=environ, capture_output=True, timeout=20, check=False).returncode:
            missing.append(kind)
    if "tbf" in missing:
        yield warning("lab", "the kernel has no token bucket (tbf)", "only `gradwire lab` needs this; as root: modprobe sch_tbf")
    elif missing:
        yield ok("lab", "namespaces and tbf are there; no netem, so no --latency", "for --latency, as root: modprobe sch_netem")
    else:
        yield ok("lab", "namespaces, tbf and netem are there")

"""What a lab needs of this machine, checked before anything is started: programs, namespaces, an MPI that it can start.

What only shows inside the namespaces (tbf, veth, netem in the kernel) is checked there, by lab_hosts.py.
"""

import os
import shutil
import subprocess

from ..errors import ConfigError

PROGRAMS = {"ip": "iproute2", "tc": "iproute2", "unshare": "util-linux", "nsenter": "util-linux", "mount": "mount", "printenv": "coreutils"}
"""Program → Debian's package of it."""

_SYSTEM = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
_UNSHARE = ("--net", "--mount", "--pid", "--fork", "--kill-child")
_USER = ("--user", "--map-root-user")


def check(mpiexec):
    """The command line that starts a process as the first one of a lab; ConfigError if the machine lacks something."""
    path = search_path(os.environ)
    missing = [program for program in PROGRAMS if not shutil.which(program, path=path)]
    if missing:
        packages = " ".join(dict.fromkeys(PROGRAMS[program] for program in missing))
        raise ConfigError(f"lab: there is no {' and no '.join(missing)} here; on Debian or Ubuntu: apt-get install {packages}")
    if mpiexec is None:
        raise ConfigError("lab: no mpiexec beside this Python or on PATH; `pip install 'gradwire[mpich]'` brings one")
    _check_mpi(mpiexec)
    return [shutil.which("unshare", path=path), *_namespaces(path)]


def search_path(environ):
    """PATH with the folders in which ip and tc are found: users other than root often lack those."""
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*folders, *(folder for folder in _SYSTEM if folder not in folders)])


def _check_mpi(mpiexec):
    done = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, check=False)
    if "HYDRA" not in done.stdout:
        first = (done.stdout + done.stderr).strip().partition("\n")[0]
        raise ConfigError(
            f"lab: expected MPICH's mpiexec (Hydra), {mpiexec} is {first or 'something else'}: the lab needs Hydra's launchers. "
            "`pip install 'gradwire[mpich]'`, in an environment without Open MPI, brings one"
        )


def _namespaces(path):
    """Options of unshare that this process may use: as root without a user namespace, else with one."""
    tries = [_UNSHARE, (*_USER, *_UNSHARE)] if os.geteuid() == 0 else [(*_USER, *_UNSHARE)]
    for options in tries:
        # `ip link add` asks for what counts: rights over a network of one's own, which some kernels grant nobody but root.
        command = ["unshare", *options, "ip", "link", "set", "lo", "up"]
        done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return options
    raise ConfigError(
        f"lab: no network namespace can be made here: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'unshare failed'}. "
        "It takes root with CAP_SYS_ADMIN and CAP_NET_ADMIN (in Docker: --privileged), or user namespaces: the sysctls "
        "user.max_user_namespaces > 0, kernel.unprivileged_userns_clone = 1 (Debian) and "
        "kernel.apparmor_restrict_unprivileged_userns = 0 (Ubuntu), those of them that there are"
    )

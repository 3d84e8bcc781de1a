"""`gradwire doctor`: is this machine, or job, fit for runs? Alone it looks at the machine, then starts ranks to look at the rest."""

import argparse
import tempfile
from pathlib import Path

from .. import launch
from ..errors import ConfigError
from .options import add_results, positive
from .planning import world


def add(commands):
    doctor = commands.add_parser(
        "doctor",
        help="look at all that a run depends on, and say what is wrong and what to do",
        epilog="examples:\n"
        "  gradwire doctor                             this machine, with 2 ranks\n"
        "  mpiexec -n 4 gradwire doctor                the ranks of this launch\n"
        "  srun --mpi=pmi2 gradwire doctor             those of a Slurm job (pmix for Open MPI)\n\n"
        "Exit status: 0 nothing is a problem, though something may be worth a warning; 1 something is.",
    )
    doctor.add_argument("--ranks", type=positive, metavar="P", help="ranks to start (default: 2); under mpiexec they are there")
    doctor.add_argument("--findings", help=argparse.SUPPRESS)
    add_results(doctor)
    doctor.set_defaults(command=_doctor)


def _doctor(args, say):
    from .. import doctor
    from ..doctor import launching
    from ..doctor.watch import Watch

    found = launch.launcher()
    if found:
        launch.check_ranks(args.ranks, found.size)
    if found or args.findings:
        return _on_ranks(args, found, say)
    size, findings = args.ranks or 2, []
    launch.tell(f"gradwire doctor: looks at this machine, then at {size} rank{'s' * (size > 1)}; a few seconds")
    with Watch(launching.limit_s(0), lambda found: say(doctor.text(found))) as watch:
        doctor.machine(args.results, findings, watch.stage)
    findings += launching.on_ranks(size, args.results, findings)
    say(doctor.text(findings))
    return doctor.worst(findings)


def _on_ranks(args, found, say):
    """Every rank of a launch. Rank 0 looks at its machine before MPI starts, and says it then: a library may end the process when it
    starts. With --findings FILE it leaves there what it found, and says nothing."""
    from .. import doctor
    from ..doctor import facts, launching, transport
    from ..doctor.watch import Watch

    speaks = launch.speaks()
    alone = speaks and not args.findings
    before, findings = [], []  # said, and not yet
    folder = Path(tempfile.mkdtemp(prefix="gradwire-doctor-")) if speaks else None

    def tell(findings):
        """Rank 0 says what there is; when the watch calls, others may hang."""
        if alone:
            say(doctor.text(findings, before))
        elif speaks:
            launching.keep(args.findings, findings)

    seconds = launching.limit_s(found.size if found else args.ranks or 1)
    with Watch(seconds + (0 if speaks else 2), tell, folder) as watch:
        if alone:
            doctor.machine(args.results, before, watch.stage)
            say(doctor.lines(before) + "\n")
        watch.stage("starting MPI")
        mine = facts.collect()
        comm, overheard = _started(args, found, mine, findings, transport.listening(folder))
        try:
            if comm:
                _examine(comm, args.results, mine, overheard, findings, watch.stage)
        except BaseException as error:
            return launch.fail(error, comm)
    tell(findings)
    # A rank that ends with a status before rank 0 has spoken would have it ended.
    return comm.bcast(doctor.worst(before + findings)) if comm else doctor.worst(findings) * speaks


def _started(args, found, mine, findings, listening):
    """(the world communicator, or None if it is of no use, which `findings` say then; what was overheard while MPI started)."""
    from ..doctor import mpi, ranks

    wrong = mpi.mismatch(found)
    if not wrong:
        try:
            with listening as overheard:
                return world(args.ranks), overheard
        except ConfigError as error:
            wrong = mpi.no_world(error)
    findings += [wrong, *ranks.check_facts([mine])]
    return None, None


def _examine(comm, results, mine, overheard, findings, stage):
    from mpi4py import MPI

    from ..doctor import ranks, transport

    stage("finding the ranks of each host", findings)
    node = comm.Split_type(MPI.COMM_TYPE_SHARED, comm.rank)
    mine["node"] = node.bcast(comm.rank)
    node.Free()
    ranks.examine(comm, mine, MPI.Query_thread(), results, lambda: transport.told(overheard), findings, stage)

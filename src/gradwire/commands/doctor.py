"""`gradwire doctor`: is this machine, or job, fit for runs? Alone it looks at the machine, then starts ranks to look at the rest."""

import argparse
import shutil
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

    found = launch.launcher()
    if found:
        launch.check_ranks(args.ranks, found.size)
    if found or args.findings:
        return _on_ranks(args, found, say)
    size = args.ranks or 2
    launch.tell(f"gradwire doctor: looks at this machine, then at {size} rank{'s' * (size > 1)}; a few seconds")
    findings = doctor.machine(args.results)
    findings += launching.on_ranks(size, args.results, findings)
    say(doctor.text(findings))
    return doctor.worst(findings)


def _on_ranks(args, found, say):
    """Every rank of a launch. Rank 0 looks at its machine before MPI starts; --findings FILE leaves the findings there instead."""
    from .. import doctor
    from ..doctor import facts, launching

    speaks = launch.speaks()
    findings = doctor.machine(args.results) if speaks and not args.findings else []
    folder = Path(args.findings).parent if args.findings else Path(tempfile.mkdtemp(prefix="gradwire-doctor-"))

    def tell(*more):
        findings.extend(more)
        if speaks and args.findings:
            launching.keep(args.findings, findings)
        elif speaks:
            say(doctor.text(findings))
        if not args.findings:
            shutil.rmtree(folder, ignore_errors=True)

    mine = facts.collect()
    with launching.Alarm(launching.limit_s(found.size if found else 1) + (0 if speaks else 2), tell) as alarm:
        comm = _examined(args, mine, folder, findings, alarm.stage)
    tell()
    return doctor.worst(findings) if comm is None else comm.bcast(doctor.worst(findings))


def _examined(args, mine, folder, findings, stage):
    """The world communicator, when it could be looked at; rank 0's `findings` have grown."""
    from ..doctor import ranks, transport
    from ..doctor.finding import problem

    try:
        with transport.listening(folder):
            comm = world(args.ranks)
    except ConfigError as error:
        words, _, advice = str(error).partition(". ")
        findings.append(problem("ranks", words, advice or "see mpiexec and MPI library"))
        findings.extend(ranks.check_facts([mine]))
        return None
    from mpi4py import MPI

    try:
        ranks.examine(comm, mine, MPI.Query_thread(), args.results, lambda: transport.told(folder), findings, stage)
    except BaseException as error:
        launch.fail(error, comm)
        raise
    return comm

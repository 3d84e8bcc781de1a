"""The command gradwire: its parser, and how a command starts and ends. What the commands do is in commands/.

`gradwire --help` is quick: heavy imports are inside the commands that need them, and only `run`, `bench collectives` and `doctor`
initialise MPI, after configuration and legality are checked.

Exit status: 0 done, 1 failed, 2 usage, configuration or incompatibility, 75 stopped by SIGTERM or SIGUSR1 and ready to go on with
--resume, 130 interrupted.
"""

import argparse
import os
import sys

from . import __version__, launch
from .commands import advise, bench, doctor, lab, look, redraw, run, stage, status, submit
from .errors import ConfigError


def main(argv=None):
    """Run one command; returns the exit status. Under mpiexec every rank calls it."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        args = _parser().parse_args(arguments)
    except SystemExit as stop:
        return stop.code
    except ConfigError as error:
        return run.refuse(error)
    args.arguments = arguments
    try:
        code = args.command(args, _say) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `gradwire list | head`: nobody reads on, and the interpreter must not flush to them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        return launch.fail(error)


class _Parser(argparse.ArgumentParser):
    """Usage errors and help are printed once, not by every rank. The lines of an epilog stay as they are."""

    def __init__(self, **options):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message):
        """Of one rank of a launch, all must hear: the others may have other arguments, and wait for it."""
        found = launch.launcher()
        if found and found.size > 1 and sys.argv[1:2] == ["run"]:
            raise ConfigError(f"{message}; `gradwire run --help` lists what there is")
        super().error(message)

    def _print_message(self, message, file=None):
        if launch.speaks():
            super()._print_message(message, file)


def _parser():
    parser = _Parser(prog="gradwire", description="What a gradient looks like on the wire, and what that is worth.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in (run, submit, status, stage, lab, look, bench, advise, doctor, redraw):
        group.add(commands)
    return parser


def _say(text):
    print(text, flush=True)

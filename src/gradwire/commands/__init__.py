"""The commands of gradwire, a module for each group.

    add(commands)       gives argparse's subcommands the group's own; each names its function as `command`
    command(args, say)  does it; returns the exit status, None for 0. say(text): writes text to standard output

Nothing here prints. Heavy imports are inside functions, and only there is mpi4py imported.
"""

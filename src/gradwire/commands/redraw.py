"""`gradwire figures` and `tables`: made again from run files."""

from .options import add_results


def add(commands):
    for name, text in (("figures", "draw figures again from run files"), ("tables", "write tables again from run files")):
        command = commands.add_parser(name, help=text)
        command.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="all that have runs when none is named")
        add_results(command)
        command.set_defaults(command=_redraw, what=name)


def _redraw(args, say):
    from .. import report

    names = [name.removesuffix(".toml").rpartition("/")[2] for name in args.experiments]
    for path in getattr(report, args.what)(args.results, names):
        say(f"wrote {path}")

"""Options that several commands take."""

import argparse
import math

RESULTS = "results"
WATCHDOG_S = 20
_RUNS_AT_MOST = 10**6


def add_run_options(parser, results=RESULTS):
    """What `run` takes, and so does what starts it, which finds the options again in `run_options`. results: default of --results."""
    before = len(parser._actions)
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a TOML file, or the name of one in experiments/")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value", help="override one key; may be repeated")
    parser.add_argument(
        "--codec", action=_Once, metavar="SPEC", help="this codec instead of the file's, and instead of a sweep over codecs"
    )
    add_results(parser, results)
    parser.add_argument("--resume", action="store_true", help="go on with unfinished runs from their last checkpoint")
    parser.add_argument(
        "--only", type=_indices, metavar="N,…", help="these runs of the experiment, such as 0,3-5: numbered as by --dry-run"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the runs and whether they are legal; do nothing")
    parser.add_argument("--record-gradients", action="store_true", help="keep some fresh gradients under DIR/gradients, for bench codecs")
    parser.add_argument("--record-steps", type=positive, metavar="N", help="with it: so many per epoch and rank (default: 4)")
    parser.add_argument("--ranks", type=positive, metavar="P", help="number of ranks: starts `mpiexec -n P` unless it runs already")
    parser.add_argument(
        "--watchdog",
        type=seconds,
        metavar="SECONDS",
        help=f"how long ranks wait in a step for one that hangs, before it is named and the run ended (default: {WATCHDOG_S}; 0: for ever)",
    )
    parser.set_defaults(run_options=parser._actions[before:])


def words(options, args, changed):
    """The command line that gives these options the values of `args`, some of them changed."""
    found = []
    for option in options:
        value = changed.get(option.dest, getattr(args, option.dest))
        if not option.option_strings:
            found.append(value)
        elif value is True:
            found.append(option.option_strings[0])
        elif isinstance(value, tuple):
            found.append(f"{option.option_strings[0]}={','.join(map(str, value))}")
        elif value is not None and value is not False:
            for entry in value if isinstance(value, list) else [value]:
                found.append(f"{option.option_strings[0]}={entry}")
    return found


def add_results(parser, default=RESULTS):
    help = f"folder of runs, figures and tables (default: {default or 'as below'})"
    parser.add_argument("--results", default=default, metavar="DIR", help=help)


class _Once(argparse.Action):
    """An option that says one thing: a second value is an error, not a replacement."""

    def __call__(self, parser, namespace, values, option_string=None):
        first = getattr(namespace, self.dest)
        if first is not None:
            parser.error(f"{option_string}: expected one, got {first} and {values}; a sweep has several: --set 'sweep.codec.uplink=[…]'")
        setattr(namespace, self.dest, values)


def seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds ≥ 0, got {text!r}")
    return value


def _indices(text):
    """ "0,3-5" as (0, 3, 4, 5), each once."""
    found = {}
    for part in text.split(","):
        first, dash, last = part.partition("-")
        numbers = [first, last] if dash else [first]
        if not all(number.isascii() and number.isdecimal() for number in numbers) or int(numbers[0]) > int(numbers[-1]):
            raise argparse.ArgumentTypeError(f"expected numbers and ranges such as 0,3-5, got {text!r}")
        if int(numbers[-1]) >= _RUNS_AT_MOST:
            raise argparse.ArgumentTypeError(f"expected numbers below {_RUNS_AT_MOST}, got {text!r}")
        found.update(dict.fromkeys(range(int(numbers[0]), int(numbers[-1]) + 1)))
    return tuple(found)


def positive(text):
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer ≥ 1, got {text!r}")
    return int(text)

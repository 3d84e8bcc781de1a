"""`gradwire list`, `inspect`, `check` and `data`: what there is, what a file holds, whether it conforms."""

from ..errors import ConfigError
from ..listing import CHECKED, KINDS


def add(commands):
    listing = commands.add_parser("list", help="what there is, with one line and the paper of each")
    listing.add_argument("kind", nargs="?", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    listing.set_defaults(command=_list)

    inspect = commands.add_parser("inspect", help="what run files hold")
    inspect.add_argument("paths", nargs="+", metavar="RUN.h5")
    inspect.set_defaults(command=_inspect)

    check = commands.add_parser(
        "check",
        help="run the conformance suite on codecs and parts, plug-ins included",
        epilog="examples:\n  gradwire check natural\n  gradwire check 'rice+quantile(center=mean)'\n  gradwire check --all --kind keys",
    )
    check.add_argument(
        "spec", nargs="?", metavar="SPEC", help="such as natural or 'topk(ratio=0.01)+natural'; a name of several kinds is all of them"
    )
    check.add_argument("--kind", choices=CHECKED, help="check SPEC, or --all, as this kind only")
    check.add_argument("--all", action="store_true", help="everything that is registered, in its default configuration")
    check.set_defaults(command=_check)

    data = commands.add_parser("data", help="prepare a data set, or say what it is")
    data.add_argument("action", choices=("prepare", "info"))
    data.add_argument("name", metavar="NAME", help="see `gradwire list datasets`")
    data.add_argument("--set", action="append", default=[], metavar="key=value", help="option of the data set; may be repeated")
    data.set_defaults(command=_data)


def _list(args, say):
    from .. import listing

    say(listing.plugins([args.kind] if args.kind else KINDS))


def _inspect(args, say):
    from .. import listing
    from ..recorder import load_run

    say("\n\n".join(listing.run_text(load_run(path)) for path in args.paths))


def _check(args, say):
    from .. import listing

    if bool(args.spec) == args.all:
        raise ConfigError("check: expected a specification or --all, and not both")
    failed = parts = 0
    for title, part in listing.checked(args.spec, args.kind):
        parts += 1
        say(title)
        problems = 0
        for line, problem in listing.check_lines(part):
            problems += problem
            say(line)
        failed += problems > 0
    say(f"\n{parts - failed} of {parts} conform")
    return 1 if failed else 0


def _data(args, say):
    from .. import config, data, listing, logs, settings, spec

    options = {"name": args.name}
    for text in args.set:
        path, value = settings.parse_override(text)
        settings.put(options, path, value)
    named = config.plugin("data", options)
    dataset = spec.build("datasets", named["name"], named["options"])
    if args.action == "prepare":
        with logs.shown(logs.progress(0, [])):
            data.load(dataset)
    facts = data.describe(dataset) if data.is_prepared(dataset) else None
    say(listing.dataset_text(args.name, dataset, named["options"], facts))

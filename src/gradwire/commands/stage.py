"""`gradwire stage`: an experiment's prepared data, copied to another cache folder. Batch scripts call it once on each node."""

import json
import shutil

from ..errors import DataError
from .options import add_run_options
from .planning import experiment_of


def add(commands):
    stage = commands.add_parser("stage", help="copy an experiment's prepared data to another cache folder, such as a node's own disk")
    stage.add_argument("folder", metavar="FOLDER", help="the other cache; GRADWIRE_CACHE=FOLDER uses it")
    add_run_options(stage)
    stage.set_defaults(command=_stage)


def _stage(args, say):
    """Copy what is not there yet; DataError for what is not prepared. A copy appears under its name only when it is whole, and where nodes
    turn out to share the folder, one of them makes it. --dry-run says what would be copied."""
    from .. import data

    asks, args.dry_run = args.dry_run, True  # the number of ranks, and with it what is legal, is the run's business
    runs = experiment_of(args, None, None).runs()
    for dataset in {json.dumps(run.settings()["data"]): run.dataset() for run in runs}.values():
        source, target = data.cache.folder(dataset), data.cache.folder(dataset, args.folder)
        if not data.is_prepared(dataset):
            raise DataError(f"{dataset.name}: not prepared in {source}; `gradwire data prepare` or `gradwire submit` does it beforehand")
        if asks:
            say(f"{target}: there already" if data.cache.is_complete(target) else f"would copy {source} to {target}")
            continue
        with data.cache.claim(dataset, target):
            if data.cache.is_complete(target):
                continue
            try:
                shutil.copytree(source, data.cache.partial(target), dirs_exist_ok=True)
                data.cache.commit(target)
            except OSError as error:
                raise DataError(f"cannot copy {source} to {target}: {error}") from error
        say(f"copied {dataset.name} to {target}")

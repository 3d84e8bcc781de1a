"""A site's settings: one small TOML file, the same for every job that is submitted there. slurm/site.toml shows all of it.

Looked for in this order: --site FILE, $GRADWIRE_SITE, slurm/site.toml under the current folder, ~/.config/gradwire/site.toml; else
defaults. One of the last two that sets nothing, like the example in the checkout, is passed over. Every value is data and is quoted,
but for `setup`: lines of shell that each script runs before anything else of gradwire.
"""

import os
from pathlib import Path

from pydantic import Field

from .. import settings
from ..errors import ConfigError
from ..schema import Section, checked

_TIME = r"^(\d+(:\d{1,2}){0,2}|\d+-\d{1,2}(:\d{1,2}){0,2})$"
_MEMORY = r"^\d+[KMGT]?$"
_WORD = r"^[^\s\x00-\x1f\x7f]*$"


class Site(Section):
    """Empty strings mean: not said, Slurm's or gradwire's own default holds. Folders may hold $NAME of the job's environment, and ~."""

    nodes: int = Field(2, ge=1, description="an integer ≥ 1")
    ranks_per_node: int = Field(2, ge=1, description="an integer ≥ 1")
    time: str = Field("00:30:00", pattern=_TIME, description='a time limit such as "00:30:00", "1-12" or "90" (minutes)')
    mem_per_cpu: str = Field("2G", pattern=_MEMORY + "|^$", description='memory such as "2G", or ""')
    partition: str = Field("", pattern=_WORD, description="a name without spaces")
    account: str = Field("", pattern=_WORD, description="a name without spaces")
    qos: str = Field("", pattern=_WORD, description="a name without spaces")
    exclusive: bool = False
    sbatch: tuple[str, ...] = Field((), description='a list of further options of sbatch, such as ["--constraint=ib"]')
    modules: tuple[str, ...] = Field((), description="a list of modules to load")
    setup: tuple[str, ...] = Field((), description="a list of lines of shell")
    venv: str = Field("", description="the folder of a virtual environment")
    launcher: str = Field("srun", pattern="^(srun|mpiexec)$", description='"srun" or "mpiexec"')
    mpi: str = Field("auto", pattern=r"^[a-z0-9_]+$", description='"auto" or a name that `srun --mpi=list` prints')
    cache: str = Field("", description="a folder that all nodes see")
    scratch: str = Field("", description="a folder on each node's own disk")
    max_jobs: int | None = Field(None, ge=1, description="an integer ≥ 1 (jobs of a sweep that run at the same time)")


def find(path=None, environ=os.environ):
    """Path of the site's file, None if there is none. ConfigError if the one that was asked for is missing."""
    asked = path or environ.get("GRADWIRE_SITE")
    if asked:
        if not Path(asked).is_file():
            raise ConfigError(f"{'--site' if path else 'GRADWIRE_SITE'}: expected a TOML file, there is no {asked}")
        return Path(asked)
    config = Path(environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
    places = (Path("slurm/site.toml"), config / "gradwire" / "site.toml")
    return next((place for place in places if place.is_file() and settings.read(place)), None)


def read(path=None):
    """Site of this file, of the defaults for None. ConfigError names the file and every wrong key."""
    if path is None:
        return Site()
    given = settings.read(path)
    try:
        site = checked(Site, "", given)
        _check_lines(given)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return site


def _check_lines(given):
    """One setting is one line of a script."""
    for key, value in given.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and any(char in text for char in "\n\r\0"):
                raise ConfigError(f"{key}: expected text of one line, got {text!r}")
    for option in given.get("sbatch", ()):
        if not option.startswith("--"):
            raise ConfigError(f"sbatch: expected options such as --constraint=ib, got {option!r}")

"""Experiment files before they are checked: finding one, `--set` and `--codec`, and the expansion of [sweep].

Settings are the nested dict that tomllib reads. What the keys mean, and which there are, is config.py's business.
"""

import itertools
import math
import re
import tomllib
from copy import deepcopy
from pathlib import Path

from .errors import ConfigError, unknown

EXPERIMENTS = Path("experiments")
MOST_BYTES, MOST_OVERRIDE, MOST_NESTED, MOST_RUNS = 1 << 20, 10_000, 32, 100_000
"""What no experiment needs more of: bytes of a file, characters of a `--set`, levels of tables and lists, runs of a sweep."""
_UPLINK = ("codec", "uplink")
_MOST_EQUALS = 32
"""Signs of which each may be the one behind the key, the others standing in its quotes."""
_EITHER_OR = {("run", "batch_size"): ("run", "batch_ratio"), ("run", "repeat"): ("run", "repeats")}
_EITHER_OR |= {b: a for a, b in _EITHER_OR.items()}


class _NotTOMLError(Exception):
    """A text is not TOML, or not such that anybody would write."""


def _toml(text):
    try:
        parsed = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: TOMLDecodeError, and integers of thousands of digits
        raise _NotTOMLError(str(error)) from error
    if _depth(parsed) > MOST_NESTED:
        raise _NotTOMLError(f"expected at most {MOST_NESTED} levels of tables and lists, got more")
    return parsed


def _depth(value):
    """Levels of tables and lists, as far as they matter: one more than MOST_NESTED for all that are deeper."""
    depth, level = 0, [value]
    while level and depth <= MOST_NESTED:
        level = [inner for each in level if isinstance(each, dict | list) for inner in (each.values() if isinstance(each, dict) else each)]
        depth += 1
    return depth


def find(experiment):
    """Path of an experiment file: `experiment` itself, or a bare name in experiments/; ".toml" may be left out."""
    given = Path(experiment)
    folders = [given.parent] if given.parent.parts else [given.parent, EXPERIMENTS]
    for folder in folders:
        for path in (folder / given.name, folder / f"{given.name}.toml"):
            if path.is_file():
                return path
    known = {path.stem for folder in (*folders, EXPERIMENTS) for path in folder.glob("*.toml") if path.stem != "pyproject"}
    raise ConfigError(f"no file {str(experiment)!r}; {unknown('experiment', given.stem, known) if known else 'none is known here'}")


def read(path):
    """The settings of a TOML file. ConfigError if it cannot be read or is not TOML."""
    try:
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ConfigError(f"{path}: expected a file of at most {MOST_BYTES} bytes, got a larger one")
        return _toml(text.decode().replace("\r\n", "\n"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (_NotTOMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def take_sweep(settings):
    """Remove [sweep] from `settings`; returns {key path, a tuple: list of values} in file order."""
    found = {}
    for path, values in _leaves(settings.pop("sweep", {})):
        name = ".".join(("sweep", *path))
        if not isinstance(values, list):
            raise ConfigError(f"{name}: expected a list of values, got {values!r}")
        if not values:
            raise ConfigError(f"{name}: expected at least one value, got an empty list")
        if len(path) < 2:
            raise ConfigError(f"{name}: expected section.key, got {'.'.join(path)!r}")
        if path in found:
            raise ConfigError(f"{name}: is given twice")
        found[path] = values
    return found


def take_cases(settings, sweep):
    """Remove [[case]] from `settings`; returns [{key path: value}], one for each case, in file order."""
    cases = [dict(_leaves(case)) for case in settings.pop("case", [])]
    for path in (path for case in cases for path in case):
        if len(path) < 2:
            raise ConfigError(f"case: expected section.key, got {'.'.join(path)!r}")
        if path in sweep:
            raise ConfigError(f"{'.'.join(path)}: expected it in [[case]] or in [sweep], got both")
    return cases


def override(settings, sweep, cases, text):
    """Apply one `--set section.key=value`. A sweep over the key is dropped, what cases say of it too, and so is the other one of two
    exclusive keys. Cases that are then the same are one."""
    path, value = parse_override(text)
    if len(path) < 2:
        raise ConfigError(f"expected section.key=value, got {text!r}")
    for case in cases:
        case.pop(path, None)
    cases[:] = [case for number, case in enumerate(cases) if case not in cases[:number]]
    if path[0] == "sweep":
        sweep |= take_sweep({"sweep": _nested(path[1:], value)})
        return
    sweep.pop(path, None)
    other = _EITHER_OR.get(path)
    if other:
        sweep.pop(other, None)
        if isinstance(settings.get(other[0]), dict):
            settings[other[0]].pop(other[1], None)
    put(settings, path, value)


def override_codec(settings, sweep, cases, spec):
    """Apply `--codec SPEC`: what cases say is about their own codecs, so those that name one are dropped."""
    sweep.pop(_UPLINK, None)
    cases[:] = [case for case in cases if _UPLINK not in case]
    put(settings, _UPLINK, spec)


def expand(settings, sweep, cases=()):
    """One settings dict for each case and point of the Cartesian product; the last key of the file varies fastest, cases slowest."""
    cases = cases or [{}]
    if (runs := math.prod(map(len, (cases, *sweep.values())))) > MOST_RUNS:
        raise ConfigError(f"sweep: expected at most {MOST_RUNS} runs, got {runs}")
    for case, values in itertools.product(cases, itertools.product(*sweep.values())):
        point = deepcopy(settings)
        for path, value in [*case.items(), *zip(sweep, values)]:
            put(point, path, value)
        yield point


def put(settings, path, value):
    """settings[path[0]][path[1]]… = value; missing tables are made."""
    table = settings
    for i, key in enumerate(path[:-1]):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{'.'.join(path[: i + 1])}: expected a table to set {path[-1]!r} in, got {table!r}")
    table[path[-1]] = value


def parse_override(text):
    """'section.key=value' → (("section", "key"), value). The key is a TOML key, the value a TOML value or a bare word."""
    if len(text) > MOST_OVERRIDE:
        raise ConfigError(f"expected key=value of at most {MOST_OVERRIDE} characters, got {len(text)}")
    for equals in itertools.islice(re.finditer("=", text), _MOST_EQUALS):
        path = _key_path(text[: equals.start()])
        if path:
            return path, _value(text[equals.end() :].strip(), text)
    raise ConfigError(f"expected key=value, got {text!r}")


def _key_path(text):
    """Parts of a dotted TOML key, quotes understood; None if it is not one."""
    try:
        parsed = _toml(f"{text} = 0") if "\n" not in text else {}
    except _NotTOMLError:
        return None
    path = []
    while isinstance(parsed, dict) and len(parsed) == 1:
        key, parsed = next(iter(parsed.items()))
        path.append(key)
    return tuple(path)


def _value(text, override):
    try:
        parsed = _toml(f"value = {text}")
        if len(parsed) == 1:
            return parsed["value"]
    except _NotTOMLError as error:
        if text and text[0] not in "\"'[{":
            return text
        raise ConfigError(f"--set {override}: expected a TOML value or a bare word, got {text!r}: {error}") from error
    raise ConfigError(f"--set {override}: expected one TOML value, got {text!r}")


def _leaves(table, path=()):
    """(path, value) of every entry that is not a table. A key at the top may be a dotted one in quotes."""
    for key, value in table.items():
        here = (*path, key) if path else _key_path(key) or (key,)
        if isinstance(value, dict):
            yield from _leaves(value, here)
        else:
            yield here, value


def _nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value

"""Configuration: an experiment is one TOML file, checked by pydantic, that expands to runs.

    [data] name and its options    [model] name and its options    [optimizer] name, lr, lr_decay and its options
    [codec] uplink, downlink, error_feedback                       [collective] name and its options
    [run] epochs, batch_size or batch_ratio, seed, repeats (or repeat: only that one), vnmse_samples, checkpoint_every
    [sweep] section.key = [values]: the Cartesian product of all lists, the last one varies fastest

The options of [data], [model], [optimizer] and [collective] are the fields of the plug-in's dataclass, checked against its
annotations. Every wrong key and value is a ConfigError of one line that names section.key, what was expected and what came.
Nothing here touches MPI or data.
"""

import hashlib
import inspect
import json
import re
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import Annotated, Any, get_type_hints

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic_core import PydanticCustomError

from . import settings as _settings
from . import spec
from .errors import ConfigError, unknown

PLUGINS = {"data": "datasets", "model": "models", "optimizer": "optimizers", "collective": "collectives"}
"""Section → kind of the plug-in that it names."""

_WORDS = {int: "an integer", float: "a number", str: "a string", bool: "true or false", dict: "a table"}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=(), arbitrary_types_allowed=True)


class _Plugin(_Section):
    model_config = ConfigDict(extra="allow")


class _Data(_Plugin):
    name: str = "flights"


class _Model(_Plugin):
    name: str = "logistic"


class _Optimizer(_Plugin):
    name: str = "adam"


class _Collective(_Plugin):
    name: str = "gather_bcast"


class _Codec(_Section):
    uplink: str = "none"
    downlink: str = "same"
    error_feedback: Annotated[bool | dict[str, bool], Field(description="true, false, or a table of codec = true or false")] = False


class _Run(_Section):
    epochs: int = Field(ge=1, description="an integer ≥ 1")
    batch_size: int | None = Field(None, ge=1, description="an integer ≥ 1 (rows of one rank's step)")
    batch_ratio: float | None = Field(None, gt=0, le=1, description="a number in (0, 1] (share of one rank's rows)")
    seed: int = Field(0, ge=0, lt=2**63, description="an integer ≥ 0")
    repeats: int | None = Field(None, ge=1, description="an integer ≥ 1")
    repeat: int | None = Field(None, ge=0, description="an integer ≥ 0")
    vnmse_samples: int = Field(8, ge=0, description="an integer ≥ 0 (sampled steps per epoch)")
    checkpoint_every: int = Field(1, ge=0, description="an integer ≥ 0 (epochs; 0 = never)")

    @model_validator(mode="after")
    def _exclusive(self):
        for one, other in (("batch_size", "batch_ratio"), ("repeats", "repeat")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise PydanticCustomError("exclusive", f"expected one of run.{one} and run.{other}, got both")
        return self


class _File(_Section):
    data: dict = {}
    model: dict = {}
    optimizer: dict = {}
    codec: dict = {}
    collective: dict = {}
    run: dict = {}
    sweep: dict = {}


_NAMED = {"data": _Data, "model": _Model, "optimizer": _Optimizer, "collective": _Collective}


@dataclass(frozen=True)
class RunConfig:
    """One run, complete and checked. data, model, optimizer, collective: {"name": …, "options": every field of the plug-in}.

    uplink, downlink: full specification strings; downlink may be "same". error_feedback: whether this uplink has it.
    Exactly one of batch_size (rows per rank and step) and batch_ratio (share of a rank's rows) is not None. seed: of this repeat.
    """

    experiment: str
    data: dict
    model: dict
    optimizer: dict
    collective: dict
    uplink: str
    downlink: str
    error_feedback: bool
    epochs: int
    batch_size: int | None
    batch_ratio: float | None
    seed: int
    repeat: int
    vnmse_samples: int
    checkpoint_every: int

    def dataset(self):
        return spec.build("datasets", **_arguments(self.data))

    def build_model(self):
        return spec.build("models", **_arguments(self.model))

    def build_optimizer(self):
        return spec.build("optimizers", **_arguments(self.optimizer))

    def build_collective(self):
        return spec.build("collectives", **_arguments(self.collective))

    def check(self, size):
        """Raise IncompatibleError, naming pairs that work, if codecs and collective do not fit on `size` ranks. No MPI."""
        downlink = None if self.downlink == "same" else spec.codec(self.downlink)
        self.build_collective().check(spec.codec(self.uplink), downlink, size)

    @property
    def run_id(self):
        """codec slug, 8 hex digits of a hash of the configuration without the repeat, repeat: "fastsgd-0f3a77c1-r0"."""
        settings = self.settings()
        del settings["run"]["repeat"]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
        slug = re.sub("[^a-z0-9]+", "-", self.uplink.lower()).strip("-")[:80].rstrip("-")
        return f"{slug}-{digest}-r{self.repeat}"

    def settings(self):
        """The nested dict of this run's experiment file, defaults spelled out."""
        batch = {"batch_size": self.batch_size} if self.batch_ratio is None else {"batch_ratio": self.batch_ratio}
        return {
            **{section: _plain({"name": named["name"], **named["options"]}) for section, named in self._named().items()},
            "codec": {"uplink": self.uplink, "downlink": self.downlink, "error_feedback": self.error_feedback},
            "run": {
                "epochs": self.epochs,
                **batch,
                "seed": self.seed - self.repeat,
                "repeat": self.repeat,
                "vnmse_samples": self.vnmse_samples,
                "checkpoint_every": self.checkpoint_every,
            },
        }

    def toml(self):
        """The experiment file of this one run: `load` reads it back."""
        return tomli_w.dumps(self.settings())

    def _named(self):
        return {section: getattr(self, section) for section in PLUGINS}


@dataclass(frozen=True)
class Experiment:
    """A checked experiment file. name: the file's stem."""

    name: str
    path: Path
    configs: tuple[RunConfig, ...]

    def runs(self):
        """Its runs: all points of the sweep, then all again for the next repeat, so that a drift of the machine hits all alike."""
        return list(self.configs)


def load(path, overrides=(), codec=None):
    """Experiment of a TOML file, or of a bare name in experiments/.

    overrides: "section.key=value" strings, a value in TOML or a bare word. codec: replaces the uplink and a sweep over it.
    Raises ConfigError for whatever is wrong in it, also in plug-ins' options and codec specifications.
    """
    path = _settings.find(path)
    try:
        settings = _settings.read(path)
        _checked(_File, "", settings)
        sweep = _settings.take_sweep(settings)
    except ConfigError as error:
        raise error if str(path) in str(error) else ConfigError(f"{path}: {error}") from error
    for text in overrides:
        _settings.override(settings, sweep, text)
    if codec is not None:
        _settings.override_codec(settings, sweep, codec)
    try:
        configs = _configs(path.stem, settings, sweep)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return Experiment(path.stem, path, configs)


def plugin(section, settings):
    """{"name", "options"} of the plug-in that `settings` (name and options) of a section of PLUGINS name; every field is filled in."""
    named = _checked(_NAMED[section], section, settings)
    cls = _prefixed(f"{section}.name", spec.lookup, PLUGINS[section], named.name)
    options = named.model_extra
    if is_dataclass(cls):
        checked = _checked(_schema(cls), section, {"name": named.name, **options})
        options = {key: getattr(checked, key) for key in options}
    built = _prefixed(section, spec.build, PLUGINS[section], named.name, options)
    if is_dataclass(cls):
        options = {f.name: getattr(built, f.name) for f in fields(cls) if f.init}
    return {"name": named.name, "options": options}


def _configs(name, settings, sweep):
    points = [_point(name, point) for point in _settings.expand(settings, sweep)]
    configs = [config for repeat in range(max(map(len, points))) for point in points for config in point[repeat : repeat + 1]]
    seen = {}
    for config in configs:
        if config.run_id in seen:
            raise ConfigError(f"sweep: two of its points are the same run, {config.run_id} (codec {config.uplink})")
        seen[config.run_id] = config
    return tuple(configs)


def _point(name, settings):
    """The repeats of one point of the sweep."""
    file = _checked(_File, "", settings)
    named = {section: plugin(section, getattr(file, section)) for section in PLUGINS}
    codec, run = _checked(_Codec, "codec", file.codec), _checked(_Run, "run", file.run)
    uplink = _codec_spec("codec.uplink", codec.uplink)
    common = {
        "experiment": name,
        **named,
        "uplink": uplink,
        "downlink": "same" if codec.downlink == "same" else _codec_spec("codec.downlink", codec.downlink),
        "error_feedback": _feedback(codec.error_feedback, uplink),
        "batch_size": run.batch_size or (1000 if run.batch_ratio is None else None),
        **{key: getattr(run, key) for key in ("epochs", "batch_ratio", "vnmse_samples", "checkpoint_every")},
    }
    repeats = range(run.repeats or 1) if run.repeat is None else [run.repeat]
    return [RunConfig(**common, seed=run.seed + repeat, repeat=repeat) for repeat in repeats]


def _feedback(given, uplink):
    """Whether `uplink` has error feedback: the entry of its full specification, else that of its name, else no."""
    if isinstance(given, bool):
        return given
    table = {_codec_spec("codec.error_feedback", key): value for key, value in given.items()}
    return table.get(uplink, table.get(uplink.partition("(")[0], False))


def _codec_spec(where, text):
    return _prefixed(where, spec.codec, text).spec


def _prefixed(where, function, *arguments):
    """function(*arguments), its error naming the key that it is about."""
    try:
        return function(*arguments)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    except ImportError as error:
        raise ConfigError(f"{where}: {arguments[-1]!r} cannot be imported: {error}") from error


@cache
def _schema(cls):
    """pydantic model of a plug-in's options, from the fields and annotations of its dataclass."""
    try:
        hints = get_type_hints(cls)
    except NameError:  # a name that the plug-in imports for type checkers only
        hints = {}
    schema = {f.name: (hints.get(f.name, Any), None) for f in fields(cls) if f.init}
    return create_model(cls.__name__, __base__=_Section, name=(str, ...), **schema)


def _checked(model, section, settings):
    """`settings` as an instance of the model, else ConfigError with one line for each thing that is wrong.

    The check goes through JSON: there, strict types still let a list be a tuple and an integer be a number.
    """
    try:
        return model.model_validate_json(json.dumps(settings, default=str))
    except ValidationError as error:
        lines = [_line(model, section, settings, problem) for problem in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error


def _line(model, section, settings, problem):
    if not problem["loc"]:
        return problem["msg"]
    key, prefix = problem["loc"][0], f"{section}." if section else ""
    if problem["type"] == "extra_forbidden":
        return unknown("key" if section else "section", f"{prefix}{key}", [f"{prefix}{known}" for known in model.model_fields])
    field = model.model_fields[key]
    came = repr(settings[key]) if key in settings else "nothing"
    return f"{prefix}{key}: expected {field.description or _described(field.annotation)}, got {came}"


def _described(annotation):
    return _WORDS.get(annotation) or inspect.formatannotation(annotation)


def _arguments(named):
    return {"name": named["name"], "arguments": named["options"]}


def _plain(value: Any):
    """`value` in the types that TOML knows; None, which it does not know, is left out of tables."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, PurePath) else value


__all__ = ["PLUGINS", "Experiment", "RunConfig", "load", "plugin"]

"""Configuration: an experiment is one TOML file, checked by pydantic, that expands to runs.

    [data] name and its options    [model] name and its options    [optimizer] name, lr, lr_decay, warmup_epochs and its options
    [codec] uplink, downlink, error_feedback, momentum, momentum_masking, clip_norm, warmup_epochs, granularity, uncompressed_below
    [collective] name and its options
    [run] epochs, batch_size or batch_ratio, seed, repeats (or repeat: only that one), local_steps, vnmse_samples, checkpoint_every,
          train_loss_rows, divergence
    [sweep] section.key = [values]: the Cartesian product of all lists, the last one varies fastest
    [[case]] section.key = value: settings that go together, as often as wanted; each is combined with the whole sweep

The options of [data], [model], [optimizer] and [collective] are the fields of the plug-in's dataclass, checked against its
annotations. Every wrong key and value is a ConfigError of one line that names section.key, what was expected and what came.
Nothing here touches MPI or data.
"""

import hashlib
import json
import re
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path, PurePath

import tomli_w

from . import settings as _settings
from . import spec
from .blocks import Block, merged
from .codecs.blockwise import blockwise
from .codecs.warmup import at_epoch
from .errors import ConfigError, IncompatibleError
from .schema import NAMED, PLUGINS, CodecSection, ExperimentFile, RunSection, checked, options_of

_AS_THEY_ARE = ("epochs", "batch_ratio", "local_steps", "vnmse_samples", "checkpoint_every", "train_loss_rows", "divergence")
"""Keys of [run] that are fields of RunConfig."""


@dataclass(frozen=True)
class RunConfig:
    """One run, complete and checked. data, model, optimizer, collective: {"name": …, "options": every field of the plug-in}.

    uplink, downlink: full specification strings; downlink may be "same". error_feedback, momentum, clip_norm, warmup_epochs: of this
    uplink. granularity, uncompressed_below: which parts of a gradient the codecs see (codecs/blockwise.py).
    local_steps: gradient steps of a rank per exchange. train_loss_rows: of the rows trained on, how many tell the loss; 0: all.
    divergence: what a gradient that is not finite is, "error" or, to "record", a result that ends the run.
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
    ranks: int | None = None
    momentum: float = 0.0
    momentum_masking: bool = True
    warmup_epochs: int = 0
    local_steps: int = 1
    clip_norm: float = 0.0
    granularity: str = "flat"
    uncompressed_below: int = 0
    train_loss_rows: int = 0
    divergence: str = "error"

    def dataset(self):
        return spec.build("datasets", **_arguments(self.data))

    def build_model(self):
        return spec.build("models", **_arguments(self.model))

    def build_optimizer(self):
        return spec.build("optimizers", **_arguments(self.optimizer))

    def build_collective(self):
        return spec.build("collectives", **_arguments(self.collective))

    def codecs_at(self, epoch, blocks):
        """(uplink, downlink or None for the same) in this epoch, for a model of these Blocks; a sparsifier that warms up keeps more."""
        uplink = at_epoch(spec.codec(self.uplink), epoch, self.warmup_epochs)
        downlink = None if self.downlink == "same" else spec.codec(self.downlink)
        if self.granularity == "flat":
            return uplink, downlink
        parts = merged(blocks, self.granularity)
        return tuple(codec and blockwise(codec, parts, self.uncompressed_below) for codec in (uplink, downlink))

    def check(self, size):
        """Raise IncompatibleError, naming pairs that work, if codecs and collective do not fit on `size` ranks. No MPI."""
        uplink, downlink = self.codecs_at(self.warmup_epochs, (Block("", 0, (1,)),))
        self.build_collective().check(uplink, downlink, size)

    def check_other_ranks(self):
        """Raise IncompatibleError with the reason if only as many ranks as began this run can go on with what each had of its own."""
        if self.local_steps > 1:
            own = "with run.local_steps each rank's optimizer has a state of its own"
        elif self.error_feedback and not self.build_collective().all_encode:
            own = f"with error feedback in {self.collective['name']} only some ranks have a residual, and which depends on their number"
        else:
            return
        raise IncompatibleError(f"{self.run_id}: expected --resume on {self.ranks} ranks, which began it: {own}")

    def steps_per_epoch(self, train_rows, size):
        """Synchronous steps of an epoch: those of the rank with the most rows; a shard is every size-th row."""
        return -(-_shard(train_rows, size) // self.rows_per_step(train_rows, size))

    def rows_per_step(self, train_rows, size):
        """Batch size of one rank."""
        return self.batch_size or max(1, round(self.batch_ratio * _shard(train_rows, size)))

    @property
    def run_id(self):
        """codec slug, 8 hex digits of a hash of the configuration without the repeat, repeat: "fastsgd-0f3a77c1-r0"."""
        settings = self.settings()
        del settings["run"]["repeat"]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
        slug = re.sub("[^a-z0-9]+", "-", self.uplink.lower()).strip("-")[:80].rstrip("-")
        return f"{slug}-{digest}-r{self.repeat}"

    def settings(self):
        """The nested dict of this run's experiment file, defaults spelled out, but for options that came later (_added)."""
        plugins = {section: getattr(self, section) for section in PLUGINS}
        named = {section: _plain({"name": plugin["name"], **plugin["options"]}) for section, plugin in plugins.items()}
        if named["optimizer"].get("warmup_epochs") == 0:
            del named["optimizer"]["warmup_epochs"]
        batch = {"batch_size": self.batch_size} if self.batch_ratio is None else {"batch_ratio": self.batch_ratio}
        return {
            **named,
            "codec": {
                "uplink": self.uplink,
                "downlink": self.downlink,
                "error_feedback": self.error_feedback,
                **self._added("momentum", "momentum_masking", "clip_norm", "warmup_epochs", "granularity", "uncompressed_below"),
            },
            "run": {
                "epochs": self.epochs,
                **batch,
                "seed": self.seed - self.repeat,
                "repeat": self.repeat,
                "vnmse_samples": self.vnmse_samples,
                "checkpoint_every": self.checkpoint_every,
                **self._added("ranks", "local_steps", "train_loss_rows", "divergence"),
            },
        }

    def _added(self, *names):
        """Options that are left out while they have their defaults: so the run_id of a run without them is what it was before them."""
        defaults = {f.name: f.default for f in fields(self)}
        return {name: getattr(self, name) for name in names if getattr(self, name) != defaults[name]}

    def toml(self):
        """The experiment file of this one run: `load` reads it back."""
        return tomli_w.dumps(self.settings())


@dataclass(frozen=True)
class Experiment:
    """A checked experiment file. name: the file's stem. chosen: numbers of the runs that are asked for, none: all."""

    name: str
    path: Path
    configs: tuple[RunConfig, ...]
    chosen: tuple[int, ...] = ()

    def runs(self):
        """Its runs: all points of the sweep, then all again for the next repeat, so that a drift of the machine hits all alike."""
        return [self.configs[number] for number in self.chosen or range(len(self.configs))]

    def numbered(self):
        """(its number in the whole experiment, run) of each of runs()."""
        return list(zip(self.chosen or range(len(self.configs)), self.runs()))

    def only(self, numbers):
        """The same experiment with these of its runs alone, all for None. ConfigError for a number that it does not have."""
        last = len(self.configs) - 1
        beyond = [number for number in numbers or () if number > last]
        if beyond:
            raise ConfigError(f"--only: expected runs from 0 to {last}, which {self.path} has, got {', '.join(map(str, beyond))}")
        return replace(self, chosen=tuple(numbers or ()))


def load(path, overrides=(), codec=None, ranks=None):
    """Experiment of a TOML file, or of a bare name in experiments/.

    overrides: "section.key=value" strings, a value in TOML or a bare word. codec: replaces the uplink and a sweep over it.
    ranks: of this launch; run.ranks, if the file has it, must be the same.
    Raises ConfigError for whatever is wrong in it, also in plug-ins' options and codec specifications.
    """
    path = _settings.find(path)
    try:
        settings = _settings.read(path)
        checked(ExperimentFile, "", settings)
        sweep = _settings.take_sweep(settings)
        cases = _settings.take_cases(settings, sweep)
    except ConfigError as error:
        raise error if str(path) in str(error) else ConfigError(f"{path}: {error}") from error
    for text in overrides:
        _settings.override(settings, sweep, cases, text)
    if codec is not None:
        _settings.override_codec(settings, sweep, cases, codec)
    try:
        configs = _configs(path.stem, settings, sweep, cases, ranks)
        if codec is None and not any(text.replace('"', "").startswith("codec.uplink") for text in overrides):
            _refuse_idle_tables(settings.get("codec", {}), configs)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return Experiment(path.stem, path, configs)


def plugin(section, settings):
    """{"name", "options"} of the plug-in that `settings` (name and options) of a section of PLUGINS name; every field is filled in."""
    named = checked(NAMED[section], section, settings)
    cls = _prefixed(f"{section}.name", spec.lookup, PLUGINS[section], named.name)
    options = named.model_extra
    if is_dataclass(cls):
        typed = checked(options_of(cls), section, {"name": named.name, **options})
        options = {key: getattr(typed, key) for key in options}
    built = _prefixed(section, spec.build, PLUGINS[section], named.name, options)
    if is_dataclass(cls):
        options = {f.name: getattr(built, f.name) for f in fields(cls) if f.init}
    return {"name": named.name, "options": options}


def _configs(name, settings, sweep, cases, ranks):
    points = [_point(name, point, ranks) for point in _settings.expand(settings, sweep, cases)]
    configs = [config for repeat in range(max(map(len, points))) for point in points for config in point[repeat : repeat + 1]]
    seen = {}
    for config in configs:
        if config.run_id in seen:
            raise ConfigError(f"sweep: two of its points are the same run, {config.run_id} (codec {config.uplink})")
        seen[config.run_id] = config
    return tuple(configs)


_OF_CODEC = ("error_feedback", "momentum", "clip_norm", "warmup_epochs")
"""Options of [codec] that may be tables."""


def _point(name, settings, ranks):
    """The repeats of one point of the sweep."""
    checked(ExperimentFile, "", settings)
    named = {section: plugin(section, settings.get(section, {})) for section in PLUGINS}
    codec = checked(CodecSection, "codec", settings.get("codec", {}))
    run = checked(RunSection, "run", settings.get("run", {}))
    if None not in (ranks, run.ranks) and ranks != run.ranks:
        raise ConfigError(f"run.ranks: expected a launch on {run.ranks} ranks, got {ranks}")
    if codec.uncompressed_below and codec.granularity == "flat":
        raise ConfigError('codec.uncompressed_below: expected codec.granularity = "layer" or "tensor" beside it, got "flat"')
    uplink = _codec_spec("codec.uplink", codec.uplink)
    settled = {key: _of_codec(key, getattr(codec, key), uplink) for key in _OF_CODEC}
    _check_codec_options(uplink, **settled)
    common = {
        "experiment": name,
        **named,
        "uplink": uplink,
        "downlink": "same" if codec.downlink == "same" else _codec_spec("codec.downlink", codec.downlink),
        **settled,
        "granularity": codec.granularity,
        "uncompressed_below": codec.uncompressed_below,
        "momentum_masking": codec.momentum_masking or not settled["momentum"],  # nothing to mask: not a setting
        "batch_size": run.batch_size or (1000 if run.batch_ratio is None else None),
        **{key: getattr(run, key) for key in _AS_THEY_ARE},
        "ranks": ranks or run.ranks,
    }
    repeats = range(run.repeats or 1) if run.repeat is None else [run.repeat]
    return [RunConfig(**common, seed=run.seed + repeat, repeat=repeat) for repeat in repeats]


def _of_codec(key, given, uplink):
    """The option codec.<key> of `uplink`: of a table the entry of its full specification, else that of its names alone, else nothing."""
    if not isinstance(given, dict):
        return given
    table = {}
    for name, value in given.items():
        full = _codec_spec(f"codec.{key}", name)
        if full in table:
            raise ConfigError(f"codec.{key}: expected one entry for {full}, got two")
        table[full] = value
    return table.get(uplink, table.get(_names(uplink), CodecSection.model_fields[key].default))


def _names(uplink):
    return "+".join(name for name, _ in spec.split(uplink))


def _refuse_idle_tables(given, configs):
    """Raise ConfigError for an entry of a table in [codec] that asks for something and is about none of the runs."""
    known = dict.fromkeys(config.uplink for config in configs)
    heeded = {*known, *map(_names, known)}
    for key, table in given.items():
        for name, value in table.items() if isinstance(table, dict) else ():
            if value != CodecSection.model_fields[key].default and _codec_spec(f"codec.{key}", name) not in heeded:
                raise ConfigError(f"codec.{key}: expected entries for codecs that run, got one for {name}; these run: {', '.join(known)}")


def _check_codec_options(uplink, error_feedback, momentum, clip_norm, warmup_epochs):
    """Raise ConfigError for an option that this uplink would not heed."""
    if momentum and not error_feedback:
        raise ConfigError(
            f"codec.momentum: expected error feedback for {uplink}, whose residual holds the momentum, got none; set "
            'codec.error_feedback = true, or name the codecs that are to have momentum: momentum = { "topk+natural" = 0.9 }'
        )
    if clip_norm and not error_feedback:
        raise ConfigError(
            f"codec.clip_norm: expected error feedback for {uplink}, before whose residual gradients are clipped, got none; set "
            'codec.error_feedback = true, or name the codecs that are to be clipped: clip_norm = { "topk+natural" = 1.0 }'
        )
    _prefixed("codec.warmup_epochs", at_epoch, spec.codec(uplink), 0, warmup_epochs)


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


def _shard(train_rows, size):
    return -(-train_rows // size)


def _arguments(named):
    return {"name": named["name"], "arguments": named["options"]}


def _plain(value):
    """`value` in the types that TOML knows; None, which it does not know, is left out of tables."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, PurePath) else value


__all__ = ["PLUGINS", "Experiment", "RunConfig", "load", "plugin"]

"""The schema of an experiment file, for pydantic, and its errors as lines that a user can act on.

Each line names section.key, what was expected and what came. The options of a plug-in are the fields of its dataclass, checked
against its annotations. Ranges of those are the plug-in's own business.
"""

import inspect
import json
from dataclasses import MISSING, fields
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic_core import PydanticCustomError

from .blocks import GRANULARITIES
from .errors import ConfigError, unknown

PLUGINS = {"data": "datasets", "model": "models", "optimizer": "optimizers", "collective": "collectives"}
"""Section → kind of the plug-in that it names."""

_WORDS = {int: "an integer", float: "a number", str: "a string", bool: "true or false", dict: "a table"}


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=(), arbitrary_types_allowed=True)


class PluginSection(Section):
    model_config = ConfigDict(extra="allow")


class DataSection(PluginSection):
    name: str = "flights"


class ModelSection(PluginSection):
    name: str = "logistic"


class OptimizerSection(PluginSection):
    name: str = "adam"


class CollectiveSection(PluginSection):
    name: str = "gather_bcast"


_Momentum = Annotated[float, Field(ge=0, lt=1)]
_Norm = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Epochs = Annotated[int, Field(ge=0)]
Granularity = Literal[GRANULARITIES]


class CodecSection(Section):
    """Fields with a table hold for the codecs that it names."""

    uplink: str = "none"
    downlink: str = "same"
    error_feedback: Annotated[bool | dict[str, bool], Field(description="true, false, or a table of codec = true or false")] = False
    momentum: Annotated[_Momentum | dict[str, _Momentum], Field(description="a number in [0, 1), or a table of codec = number")] = 0.0
    momentum_masking: bool = True
    clip_norm: Annotated[_Norm | dict[str, _Norm], Field(description="a number ≥ 0, or a table of codec = number")] = 0.0
    granularity: Granularity = Field("flat", description=f"one of {', '.join(GRANULARITIES)}")
    uncompressed_below: int = Field(0, ge=0, description="an integer ≥ 0 (parameters)")
    warmup_epochs: Annotated[_Epochs | dict[str, _Epochs], Field(description="an integer ≥ 0, or a table of codec = integer")] = 0


class RunSection(Section):
    epochs: int = Field(ge=1, description="an integer ≥ 1")
    batch_size: int | None = Field(None, ge=1, description="an integer ≥ 1 (rows of one rank's step)")
    batch_ratio: float | None = Field(None, gt=0, le=1, description="a number in (0, 1] (share of one rank's rows)")
    seed: int = Field(0, ge=0, lt=2**63, description="an integer ≥ 0")
    repeats: int | None = Field(None, ge=1, description="an integer ≥ 1")
    repeat: int | None = Field(None, ge=0, description="an integer ≥ 0")
    ranks: int | None = Field(None, ge=1, description="an integer ≥ 1 (ranks of the launch)")
    local_steps: int = Field(1, ge=1, description="an integer ≥ 1 (steps per exchange)")
    vnmse_samples: int = Field(8, ge=0, description="an integer ≥ 0 (sampled steps per epoch)")
    train_loss_rows: int = Field(0, ge=0, description="an integer ≥ 0 (rows; 0 = all)")
    divergence: Literal["error", "record"] = Field("error", description='"error" or "record"')
    checkpoint_every: int = Field(1, ge=0, description="an integer ≥ 0 (epochs; 0 = only when a signal stops the run)")

    @model_validator(mode="after")
    def _exclusive(self):
        for one, other in (("batch_size", "batch_ratio"), ("repeats", "repeat")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise PydanticCustomError("exclusive", f"expected one of run.{one} and run.{other}, got both")
        return self


class ExperimentFile(Section):
    data: dict = {}
    model: dict = {}
    optimizer: dict = {}
    codec: dict = {}
    collective: dict = {}
    run: dict = {}
    sweep: dict = {}
    case: Annotated[list[dict], Field(description="tables, each [[case]]")] = []


NAMED = {"data": DataSection, "model": ModelSection, "optimizer": OptimizerSection, "collective": CollectiveSection}


@cache
def options_of(cls):
    """pydantic model of a plug-in's options, from the fields and annotations of its dataclass."""
    try:
        hints = get_type_hints(cls)
    except NameError:  # a name that the plug-in imports for type checkers only
        hints = {}
    options = {f.name: (hints.get(f.name, Any), ... if f.default is f.default_factory is MISSING else None) for f in fields(cls) if f.init}
    return create_model(cls.__name__, __base__=Section, name=(str, ...), **options)


def checked(model, section, settings):
    """`settings` as an instance of the model, else ConfigError with one line for each thing that is wrong.

    The check goes through JSON: there, strict types still let a list be a tuple and an integer be a number.
    """
    try:
        return model.model_validate_json(json.dumps(settings, default=str))
    except ValidationError as error:
        problems = error.errors()
        misspelt = [problem for problem in problems if problem["type"] == "extra_forbidden"]
        lines = [_line(model, section, settings, problem) for problem in misspelt or problems]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error


def _line(model, section, settings, problem):
    if not problem["loc"]:
        return problem["msg"]
    key, prefix = problem["loc"][0], f"{section}." if section else ""
    if problem["type"] == "extra_forbidden":
        return unknown(
            "key" if section or not isinstance(settings[key], dict) else "section",
            f"{prefix}{key}",
            [f"{prefix}{known}" for known in model.model_fields],
        )
    field = model.model_fields[key]
    came = repr(settings[key]) if key in settings else "nothing"
    return f"{prefix}{key}: expected {field.description or _described(field.annotation)}, got {came}"


def _described(annotation):
    return _WORDS.get(annotation) or inspect.formatannotation(annotation)

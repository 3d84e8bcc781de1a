"""Plug-ins as another distribution would bring them: the entry points stand in gradwire_toys-1.0.dist-info."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gradwire.errors import ConfigError


@dataclass(frozen=True)
class ToyData:
    """A data set of nothing."""

    source: str
    rows: int = 100
    folder: Path | None = None
    layout: Literal["frequency", "hashed"] = "frequency"
    shuffled: bool = False

    name = "toy"
    summary = "a data set of nothing"
    paper = "none"


@dataclass(frozen=True)
class ToyModel:
    l2: float = 0.0

    name = "toy"

    def __post_init__(self):
        if self.l2 < 0:
            raise ConfigError(f"expected l2 ≥ 0, got {self.l2}")


@dataclass(frozen=True)
class ToyOptimizer:
    lr: float | tuple[float, ...] = 0.1
    lr_decay: float = 1.0

    name = "toy"


@dataclass(frozen=True)
class UntypedOptimizer:
    """Its annotations are for type checkers only: any value goes to the plug-in."""

    lr: "SomethingUnknown" = 0.1  # noqa: F821

    name = "untyped"


class PlainOptimizer:
    """Not a dataclass: it says what it takes in `arguments`."""

    arguments = ("lr",)

    def __init__(self, lr=0.5):
        self.lr = lr

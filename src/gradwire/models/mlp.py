"""mlp: a multi-layer perceptron for images, 784-64-10 as FastSGD's, or wider and deeper."""

from dataclasses import dataclass
from itertools import pairwise

from ..errors import ConfigError
from .images import CLASSES, ImageModel
from .neural import check_count


@dataclass(frozen=True)
class MLP(ImageModel):
    """hidden: the widths of the hidden layers, each behind a ReLU."""

    hidden: tuple[int, ...] = (64,)

    name = "mlp"
    summary = "multi-layer perceptron of images, 784-64-10 by default"
    paper = "FastSGD (Yang et al. 2021)"

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "hidden", _widths(self.hidden))

    def network(self, torch):
        widths = [self.n_features, *self.hidden]
        layers = [torch.nn.Flatten()]
        for before, width in pairwise(widths):
            layers += [torch.nn.Linear(before, width), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], CLASSES))


def _widths(hidden):
    """The tuple of a list, of one width, or of "128,64" in a specification string."""
    if isinstance(hidden, str):
        hidden = [int(width) if width.strip().isdigit() else width for width in hidden.split(",") if hidden]
    widths = (hidden,) if isinstance(hidden, int) else tuple(hidden) if isinstance(hidden, list | tuple) else None
    if widths is None:
        raise ConfigError(f"expected hidden as a list of widths, got {hidden!r}")
    for width in widths:
        check_count("a hidden width", width)
    return widths

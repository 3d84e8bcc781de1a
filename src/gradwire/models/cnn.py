"""cnn: a small residual network for images (He et al., CVPR 2016), normalised in groups of channels (Wu and He, ECCV 2018) and not in
batches, whose running means would be a state beside the parameters."""

from dataclasses import dataclass

from ..errors import ConfigError
from .images import CLASSES, ImageModel
from .neural import check_count

STAGES = 3
GROUP = 8
"""Channels of a norm's group."""


@dataclass(frozen=True)
class CNN(ImageModel):
    """channels: of the first stage, at 14 × 14; twice as many at 7 × 7, four times at 4 × 4. depth: residual blocks of each stage."""

    channels: int = 16
    depth: int = 1

    name = "cnn"
    summary = "small residual network of images, 78 thousand parameters by default"
    paper = "He et al., CVPR 2016; group norm: Wu and He, ECCV 2018"

    def __post_init__(self):
        super().__post_init__()
        check_count("channels", self.channels, GROUP, 1024)
        check_count("depth", self.depth, 1, 64)
        if self.channels % GROUP:
            raise ConfigError(f"expected channels as a multiple of {GROUP}, got {self.channels}")

    def network(self, torch):
        nn, width = torch.nn, self.channels
        layers = [nn.Conv2d(1, width, 3, padding=1, bias=False), _norm(nn, width), nn.ReLU(), nn.MaxPool2d(2)]
        for stage in range(STAGES):
            for number in range(self.depth):
                before = width
                stride = 2 if stage and not number else 1
                width = self.channels << stage
                layers.append(_residual(nn, before, width, stride))
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))


def _norm(nn, width):
    return nn.GroupNorm(width // GROUP, width)


def _residual(nn, before, width, stride):
    """Two convolutions and what goes around them."""

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(before, width, 3, stride, 1, bias=False), _norm(nn, width), nn.ReLU())
            self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), _norm(nn, width))
            straight = stride == 1 and before == width
            self.around = nn.Identity() if straight else nn.Conv2d(before, width, 1, stride, bias=False)

        def forward(self, x):
            return nn.functional.relu(self.second(self.first(x)) + self.around(x))

    return Residual()

"""What the networks of images have in common: rows of 28 × 28 bytes, ten classes, accuracy."""

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .neural import NeuralModel

SIDE = 28
CLASSES = 10


@dataclass(frozen=True)
class ImageModel(NeuralModel):
    """Inputs are float32 (rows, 1, 28, 28): byte / 255, centred and scaled alike for every pixel (mean 0.286, deviation 0.353: those of
    fashion-mnist's training rows). A score is the number of the likeliest class."""

    task = "images"
    metric_name = "accuracy"
    n_features = SIDE * SIDE

    def check(self, data):
        if data.n_rows and (most := int(np.max(data.labels))) >= CLASSES:
            raise DataError(f"model {self.name} is for classes 0 … {CLASSES - 1}, got a label {most}")

    def batch(self, torch, data, rows):
        pixels = torch.from_numpy(data.take(rows)).to(torch.float32).view(-1, 1, SIDE, SIDE)
        return pixels.mul_(1 / (255 * 0.353)).sub_(0.286 / 0.353), torch.from_numpy(data.labels[rows]).to(torch.int64)

    def scores(self, torch, logits, targets, losses):
        return logits.argmax(1).to(torch.float32)

"""logistic: logistic regression, loss log(1 + exp(−y θᵀx)) for y in {−1, +1}. Two classes only, no intercept of its own."""

from dataclasses import dataclass

from .._ext import linear as _linear
from .base import LinearModel


@dataclass(frozen=True)
class Logistic(LinearModel):
    """Gradient −y x / (1 + exp(y θᵀx)), computed without overflow for every finite score."""

    name = "logistic"
    summary = "logistic regression, log(1 + exp(−y θᵀx))"
    paper = "SketchML (Jiang et al., SIGMOD 2018), Section 4.1"
    task = "classification"
    metric_name = "auc"
    loss = _linear.LOGISTIC

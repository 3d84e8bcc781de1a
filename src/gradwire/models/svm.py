"""svm: linear support vector machine, loss max(0, 1 − y θᵀx) for y in {−1, +1}. No kernels, no squared hinge."""

from dataclasses import dataclass

from .._ext import linear as _linear
from .base import LinearModel


@dataclass(frozen=True)
class SVM(LinearModel):
    """Subgradient −y x inside the margin (y θᵀx < 1), 0 on it and beyond."""

    name = "svm"
    summary = "linear support vector machine, max(0, 1 − y θᵀx)"
    paper = "SketchML (Jiang et al., SIGMOD 2018), Section 4.1"
    task = "classification"
    metric_name = "auc"
    loss = _linear.HINGE

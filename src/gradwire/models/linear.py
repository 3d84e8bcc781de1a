"""linear: linear regression, loss (y − θᵀx)². No intercept of its own, no scaling of the labels.

On data of two classes it fits the labels −1 and +1, as the papers do on KDD10, KDD12 and CTR; the metric stays the RMSE.
"""

from dataclasses import dataclass

from .._ext import linear as _linear
from .base import LinearModel


@dataclass(frozen=True)
class Linear(LinearModel):
    """Gradient −2 (y − θᵀx) x."""

    name = "linear"
    summary = "linear regression, (y − θᵀx)²"
    paper = "SketchML (Jiang et al., SIGMOD 2018), Section 4.1"
    task = "regression"
    metric_name = "rmse"
    loss = _linear.SQUARED

    @classmethod
    def takes(cls, task):
        return task in ("regression", "classification")

"""Quality of scores against labels: exact AUC, root mean squared error, accuracy, bits per byte. NumPy, outside the timed region."""

import numpy as np


def auc(scores, labels):
    """Area under the ROC curve: the chance that a positive row scores above a negative one, a tie counting one half.

    scores float (n,), labels (n,), positive where > 0. NaN if there is only one class or a score is NaN.
    Exact (Mann–Whitney with average ranks): counts are integers, n up to 2³¹.
    """
    scores, positive = np.asarray(scores), np.asarray(labels) > 0
    above, below = np.sort(scores[positive]), np.sort(scores[~positive])
    if not len(above) or not len(below) or np.isnan(above[-1]) or np.isnan(below[-1]):
        return float("nan")
    wins = np.searchsorted(below, above, "left").sum(dtype=np.int64)
    wins_and_ties = np.searchsorted(below, above, "right").sum(dtype=np.int64)
    return (int(wins) + int(wins_and_ties)) / (2 * len(above) * len(below))


def rmse(scores, labels):
    """√ mean (score − label)², in float64. NaN for no rows."""
    if not len(scores):
        return float("nan")
    return float(np.sqrt(np.mean(np.square(np.subtract(scores, labels, dtype=np.float64)))))


def accuracy(scores, labels):
    """Share of rows whose score, the number of a class, is the label. NaN for no rows."""
    return float(np.mean(np.equal(scores, labels))) if len(scores) else float("nan")


def bits_per_byte(scores, labels):
    """Mean of the scores, each the bits that a byte of its row costs on average; there are no labels. NaN for no rows."""
    return float(np.mean(scores, dtype=np.float64)) if len(scores) else float("nan")


RISING = ("auc", "accuracy")
"""Of METRICS those that are better the larger they are; the others are errors and sizes."""

METRICS = {"auc": auc, "rmse": rmse, "accuracy": accuracy, "bits_per_byte": bits_per_byte}

"""Speed of the sparse gradient kernel on one core, beside scikit-learn on the same mini-batches in the same run.

    benchmark_gradient()   → rows {"what", "median", "unit", "low", "high", "n", "baseline"}

low and high bound the median (timing.median_interval).
Mini-batches are drawn at random from far more rows than a cache holds and rotate, so that no predictor learns one.
It does not measure convergence, communication or several cores.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from ..models.logistic import Logistic
from .timing import measure, median_interval

N_BATCHES = 50
FLIGHTS_ROWS, FLIGHTS_FIELDS, FLIGHTS_DIM = 245_000, 26, 234_796
DIM_ROWS, DIM_FIELDS, DIMS = 100_000, 11, (500_000, 50_000_000)


@dataclass(frozen=True)
class OneHot:
    """A CSR with the attributes of gradwire.data's, in memory; see `one_hot`."""

    indptr: np.ndarray
    indices: np.ndarray
    values: None
    labels: np.ndarray
    n_features: int


def one_hot(n_rows, fields, dim, *, skew=8, positive=0.24, seed=0):
    """Rows with one active feature in each of `fields` equal ranges of dim; a range's features are drawn as ⌊size · u^skew⌋,
    u uniform: the larger the skew, the more often the first ones (1 is uniform)."""
    rng = np.random.default_rng(seed)
    size = dim // fields
    indices = (size * rng.random((n_rows, fields)) ** skew).astype(np.uint32) + np.arange(fields, dtype=np.uint32) * np.uint32(size)
    labels = np.where(rng.random(n_rows) < positive, 1, -1).astype(np.float32)
    return OneHot(np.arange(n_rows + 1, dtype=np.int64) * fields, indices.ravel(), None, labels, dim)


def benchmark_gradient(data=None, batch=1000, repeats=200):
    """Throughput on `data` (default: one-hot rows like those of flights), its ratio to scikit-learn's if that is installed,
    and the ratio of the time at a dimension of 5e7 to that at 5e5. repeats: timed mini-batches of each."""
    data = one_hot(FLIGHTS_ROWS, FLIGHTS_FIELDS, FLIGHTS_DIM) if data is None else data
    batches = _batches(len(data.labels), batch)
    entries = [int((data.indptr[rows + 1] - data.indptr[rows]).sum()) for rows in batches]
    peer = _sklearn_step(data, batches)
    seconds, *others = _in_turns([_gradient_step(data, batches), *([peer] if peer else [])], repeats)
    nonzeros = [entries[i % N_BATCHES] for i in range(repeats)]
    what = f"gradient of logistic, batch {batch}, dim {data.n_features}"
    rows = [_row(what, [n / s / 1e6 for n, s in zip(nonzeros, seconds)], "M nonzeros/s", None)]
    if peer:
        baseline = 'SGDClassifier(loss="log_loss").partial_fit'
        peer_seconds = others[0]
        rows.append(_row(baseline, [n / s / 1e6 for n, s in zip(nonzeros, peer_seconds)], "M nonzeros/s", None))
        rows.append(_row(f"{what}: speed", [p / s for s, p in zip(seconds, peer_seconds)], "×", baseline))
    return [*rows, _dim_dependence(batch, repeats)]


def _dim_dependence(batch, repeats):
    steps = []
    for dim in DIMS:
        data = one_hot(DIM_ROWS, DIM_FIELDS, dim)
        steps.append(_gradient_step(data, _batches(DIM_ROWS, batch)))
    small, large = _in_turns(steps, repeats)
    what = f"gradient of logistic, batch {batch} of {DIM_FIELDS} one-hot fields: time at dim {DIMS[1]:.0e}"
    return _row(what, [b / a for a, b in zip(small, large)], "×", f"dim {DIMS[0]:.0e}")


def _batches(n_rows, batch):
    rng = np.random.default_rng(1)
    return [rng.choice(n_rows, min(batch, n_rows), replace=False) for _ in range(N_BATCHES)]


def _gradient_step(data, batches):
    """i → one gradient of mini-batch i, at parameters that are not zero."""
    model = Logistic()
    params = np.full(data.n_features, 0.01, np.float32)
    return lambda i: model.gradient(params, data, batches[i % N_BATCHES])


def _sklearn_step(data, batches):
    """i → one partial_fit of mini-batch i, cut out beforehand; None without scikit-learn."""
    try:
        from scipy.sparse import csr_matrix
        from sklearn.linear_model import SGDClassifier
    except ImportError:
        return None
    values = np.ones(len(data.indices), np.float32) if data.values is None else data.values
    matrix = csr_matrix((values, data.indices.astype(np.int32), data.indptr), shape=(len(data.labels), data.n_features))
    cuts = [(matrix[rows], data.labels[rows]) for rows in batches]
    peer = SGDClassifier(loss="log_loss")
    peer.partial_fit(*cuts[0], classes=[-1, 1])
    return lambda i: peer.partial_fit(*cuts[i % N_BATCHES])


def _one_thread():
    """A context in which the numerical libraries that scikit-learn loads use one thread: idle ones of theirs wait in a busy loop."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1)


def _in_turns(steps, repeats):
    """[seconds of each call] of each step."""
    with _one_thread():
        return list(measure(dict(enumerate(steps)), N_BATCHES, repeats, limit_s=math.inf).values())


def _row(what, samples, unit, baseline):
    median, low, high = median_interval(samples)
    return {"what": what, "median": median, "unit": unit, "low": low, "high": high, "n": len(samples), "baseline": baseline}

"""What no code can beat: entropies of keys and values, and the rate that a distortion needs at least. Printed beside every coder.

They are reference lines, not codecs: log₂ C(dim, nnz) holds for a code that treats all key sets of that size alike, an empirical
entropy for one that codes symbol by symbol, Shannon's lower bound for values that are independent draws.
"""

import math

import numpy as np


def log2_binomial(n, k):
    """log₂ of n choose k: the bits that name one of all sets of k keys below n."""
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)


def entropy(symbols):
    """Empirical entropy of `symbols` (array), bits per symbol; 0 for none."""
    counts = np.unique(symbols, return_counts=True)[1].astype(np.float64)
    shares = counts / counts.sum() if len(counts) else np.ones(1)
    return abs(float((shares * np.log2(shares)).sum()))


def gap_entropy(keys):
    """Empirical entropy of the gaps of strictly increasing keys, the first key being the first gap; bits per key."""
    return entropy(np.diff(keys.astype(np.int64), prepend=-1))


def shannon_bits(values):
    """Shannon's lower bound at a vNMSE of 1: h(X) - ½ log₂(2πe · mean square), bits per value, for independent draws like `values`.

    At another vNMSE it is that minus ½ log₂(vNMSE), but at least 0. The differential entropy h is Vasicek's estimate from spacings (1976).
    NaN where values repeat so often that they have no density.
    """
    x = np.sort(np.asarray(values, np.float64))
    n = len(x)
    if n < 16 or len(np.unique(x)) < 0.9 * n:
        return math.nan
    m = max(1, round(math.sqrt(n)))
    padded = np.concatenate([np.full(m, x[0]), x, np.full(m, x[-1])])
    spacing = np.maximum(padded[2 * m :] - padded[: -2 * m], np.finfo(np.float64).tiny)
    h = float(np.mean(np.log2(n / (2 * m) * spacing)))
    return h - 0.5 * math.log2(2 * math.pi * math.e * float(np.mean(np.square(x))))

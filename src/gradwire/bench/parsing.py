"""How fast svmlight text is parsed: our parser and scikit-learn's, on one core, on the same generated files, in the same run.

The whole way is timed, from the file (in the page cache) to the finished matrix. It says nothing about disks.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from ..data.libsvm import parse_range

_PEER = "sklearn.datasets.load_svmlight_file"
_KDD12_FEATURES = 54_686_452
_VALUE_FEATURES = 1_000_000


def benchmark_parser(megabytes=64, repeats=5):
    """list of dicts "what", "median", "unit", "low", "high", "n", "baseline", for one-hot text like kdd12's and for idx:0.1234 text.

    Throughputs are in MB/s (10⁶ bytes of text). low and high bound the median with 95% confidence (order statistics; the extremes
    below 6 repeats). A row with a baseline is the ratio of the two, run by run; without scikit-learn only our rows come.
    """
    rows = []
    for what, write, n_features in (("one-hot text", _write_one_hot, _KDD12_FEATURES), ("idx:0.1234 text", _write_values, _VALUE_FEATURES)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "text.svm"
            write(path, megabytes * 10**6)
            rows += _compare(what, path, n_features, repeats)
    return rows


def _compare(what, path, n_features, repeats):
    size = path.stat().st_size
    contenders = {"gradwire": lambda: parse_range(path, 0, size, n_features, False)}
    try:
        from sklearn.datasets import load_svmlight_file
    except ImportError:
        pass
    else:
        contenders[_PEER] = lambda: load_svmlight_file(str(path), n_features=n_features, dtype=np.float32, zero_based=False)
    speeds = {name: [] for name in contenders}
    for parse in contenders.values():
        parse()  # the first run warms caches and the allocator up
    for _ in range(repeats):
        for name, parse in contenders.items():
            start = time.perf_counter()
            parse()
            speeds[name].append(size / 1e6 / (time.perf_counter() - start))
    rows = [_row(f"parse {what}, {name}", speed, "MB/s", "") for name, speed in speeds.items()]
    if _PEER in speeds:
        ratios = [ours / theirs for ours, theirs in zip(speeds["gradwire"], speeds[_PEER])]
        rows.append(_row(f"parse {what}, speedup", ratios, "×", _PEER))
    return rows


def _row(what, samples, unit, baseline):
    ordered, n = np.sort(samples), len(samples)
    reach = int(np.floor((n - 1.96 * n**0.5) / 2)) if n >= 6 else 0
    low, high = ordered[reach], ordered[n - 1 - reach]
    return {
        "what": what,
        "median": float(np.median(ordered)),
        "unit": unit,
        "low": float(low),
        "high": float(high),
        "n": n,
        "baseline": baseline,
    }


def _write_one_hot(path, nbytes):
    """Lines of a label and 11 increasing ids with value 1, over kdd12's dimension."""
    rng = np.random.default_rng(0)
    field = _KDD12_FEATURES // 11
    template = "{} " + " ".join(["{}:1"] * 11)
    _write(path, nbytes, template, lambda n: (rng.integers(0, 2, n), *(1 + field * i + _skewed(rng, field, n) for i in range(11))))


def _write_values(path, nbytes):
    """Lines of a label and 50 increasing ids with values of four digits."""
    rng = np.random.default_rng(0)
    template = "{} " + " ".join(["{}:{:.4f}"] * 50)

    def columns(n):
        ids = np.cumsum(rng.integers(1, _VALUE_FEATURES // 50, (n, 50)), axis=1)
        values = rng.random((n, 50))
        return rng.integers(0, 2, n) * 2 - 1, *(column for pair in zip(ids.T, values.T) for column in pair)

    _write(path, nbytes, template, columns)


def _skewed(rng, size, n):
    """Ids below `size`, small ones more often, so that their lengths vary as in real files."""
    return (size ** rng.random(n)).astype(np.int64)


def _write(path, nbytes, template, columns):
    with open(path, "w") as file:
        while file.tell() < nbytes:
            lines = zip(*(column.tolist() for column in columns(2000)))
            file.write("".join(template.format(*line) + "\n" for line in lines))


__all__ = ["benchmark_parser"]

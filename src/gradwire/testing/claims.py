"""The claims `unbiased` and `omega`, tried: the mean of many results, and their mean square error."""

import numpy as np

DRAWS = 800


def holds(what, x, draws, omega):
    """AssertionError unless the rows of `draws` have mean x and E|row − x|² ≤ ω|x|², both within five standard errors.

    x: float32 (n,). draws: (many, n). omega: None claims no more than the mean. The mean is looked at along every axis, along x and
    along eight random directions: a bias that all coordinates share shows there first.
    """
    x = np.asarray(x, np.float64)
    errors = np.asarray(draws, np.float64) - x
    signs = np.random.default_rng(8).choice([-1.0, 1.0], (8, len(x)))
    axes = np.concatenate([np.eye(len(x)), x[None] / max(np.linalg.norm(x), 1e-30), signs])
    along = errors @ axes.T
    spread = along.std(axis=0, ddof=1)
    rounding = 1e-6 * np.abs(axes) @ np.abs(x) + 1e-6 * np.abs(x).max(initial=0)
    # What happens rarely may not have happened yet.
    if omega is not None:
        spread[: len(x)] = np.maximum(spread[: len(x)], np.abs(x) * np.sqrt(omega))
    else:
        rounding[: len(x)] += 12 / len(errors) * np.abs(errors).max(initial=0)
    standard_error = spread / np.sqrt(len(errors))
    bias, noise = np.abs(along.mean(axis=0)), 5 * standard_error + rounding
    worst = (bias - noise).argmax()
    assert bias[worst] <= noise[worst], f"{what}: the mean is off by {bias[worst]:.3g}, where noise explains {noise[worst]:.3g}"
    if omega is not None:
        norm, square = np.square(x).sum(), np.square(errors).sum(axis=1)
        noise = 5 * square.std() / np.sqrt(len(errors)) + 1e-6 * norm
        assert square.mean() <= omega * norm + noise, f"{what}: claims omega {omega:.6g}, measured {square.mean() / norm:.6g}"

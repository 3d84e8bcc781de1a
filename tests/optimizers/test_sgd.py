"""SGD against the rule in NumPy."""

import numpy as np
import pytest

from gradwire import one


def rule(p, s, g, lr, t):
    p -= lr * g


@pytest.mark.parametrize("dense", [False, True])
def test_equals_numpy(run, dense):
    params, expected, _, _ = run(one("optimizers", "sgd(lr=0.2, lr_decay=0.5)"), rule, dense=dense)
    np.testing.assert_allclose(params, expected, rtol=1e-5, atol=1e-5)

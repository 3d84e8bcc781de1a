"""Adam in both forms against the rules in NumPy; the first step has a closed form."""

import numpy as np
import pytest

from gradwire import ConfigError, Gradient, one


def rule(form, beta1=0.9, beta2=0.999, eps=1e-8):
    def apply(p, s, g, lr, t):
        s["m"][:] = beta1 * s["m"] + (1 - beta1) * g
        s["v"][:] = beta2 * s["v"] + (1 - beta2) * g * g
        if form == "kingma":
            m, v = s["m"] / (1 - beta1**t), s["v"] / (1 - beta2**t)
            p -= lr * m / (np.sqrt(v) + eps)
        else:
            p -= lr * s["m"] / np.sqrt(s["v"] + eps)

    return apply


@pytest.mark.parametrize("form", ["kingma", "sketchml"])
@pytest.mark.parametrize("dense", [False, True])
def test_equals_numpy(run, form, dense):
    params, expected, _, _ = run(one("optimizers", f"adam(form={form}, lr=0.02)"), rule(form), dense=dense)
    np.testing.assert_allclose(params, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["kingma", "sketchml"])
def test_equals_numpy_with_other_parameters(run, form):
    optimizer = one("optimizers", f"adam(form={form}, beta1=0.5, beta2=0.9, eps=0.01)")
    params, expected, _, _ = run(optimizer, rule(form, 0.5, 0.9, 0.01))
    np.testing.assert_allclose(params, expected, rtol=1e-4, atol=1e-5)


def test_the_first_step_moves_by_the_rate_or_by_the_uncorrected_ratio():
    gradient = Gradient(np.array([3.0, -0.01], np.float32), 2)
    for form, step in (("kingma", 0.1), ("sketchml", 0.1 * 0.1 / np.sqrt(0.001))):
        optimizer, params = one("optimizers", f"adam(form={form}, eps=1e-16)"), np.zeros(2, np.float32)
        optimizer.update(params, optimizer.init(2), gradient, 0.1)
        np.testing.assert_allclose(params, [-step, step], rtol=1e-5)


def test_the_correction_counts_global_steps_also_for_a_coordinate_that_comes_late():
    optimizer, params = one("optimizers", "adam"), np.zeros(2, np.float32)
    state = optimizer.init(2)
    for _ in range(9):
        optimizer.update(params, state, Gradient(np.ones(1, np.float32), 2, [0]), 0.1)
    optimizer.update(params, state, Gradient(np.ones(1, np.float32), 2, [1]), 0.1)
    m, v = 0.1 / (1 - 0.9**10), 0.001 / (1 - 0.999**10)
    assert params[1] == pytest.approx(-0.1 * m / np.sqrt(v), rel=1e-5)


def test_an_unknown_form_names_the_known():
    with pytest.raises(ConfigError, match=r"unknown form 'kingman' \(did you mean 'kingma'\?\); known: kingma, sketchml"):
        one("optimizers", "adam(form=kingman)")


@pytest.mark.parametrize("field", [{"beta1": 1}, {"beta2": -0.5}, {"eps": 0}, {"beta1": "x"}, {"beta2": True}])
def test_bad_parameters_are_refused(field):
    (name,) = field
    with pytest.raises(ConfigError, match=f"expected {name}"):
        one("optimizers", "adam").__class__(**field)

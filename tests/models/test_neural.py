"""Neural models: gradients against finite differences in float64 PyTorch, flat views, evaluation, refusals, no PyTorch."""

import importlib.util
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import gradwire as gw
from gradwire import ConfigError, IncompatibleError, listing
from gradwire.data.base import Table
from gradwire.models import neural

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'gradwire[torch]'")

MODELS = {
    "mlp(hidden=16)": 784,
    'mlp(hidden="20,10")': 784,
    "cnn(channels=8)": 784,
    "cnn(channels=8, depth=2)": 784,
    "transformer(width=16, layers=2, heads=2, positions=12)": 256,
}


class Rows:
    """A stand-in for gradwire.data's Table."""

    def __init__(self, width, overlap=0, n_rows=40, seed=0):
        rng = np.random.default_rng(seed)
        self.inputs = rng.integers(0, 256, n_rows * width + overlap).astype(np.uint8)
        self.labels = None if overlap else rng.integers(0, 10, n_rows).astype(np.uint8)
        self.width, self.overlap, self.n_rows = width, overlap, n_rows

    def take(self, rows):
        return np.stack([self.inputs[r * self.width : (r + 1) * self.width + self.overlap] for r in rows])


def made(spec):
    model = gw.one("models", spec)
    data = Rows(12, 1) if model.task == "text" else Rows(784)
    blocks = model.blocks(MODELS[spec])
    return model, data, blocks, model.init(blocks[-1].stop, 7)


@pytest.mark.parametrize("spec", MODELS)
def test_gradient_is_the_derivative_of_the_loss(spec):
    model, data, _, params = made(spec)
    rows = np.array([3, 1, 4, 1, 5])
    gradient, loss = model.gradient(params, data, rows)
    assert gradient.is_dense and gradient.dim == len(params) and not model.sparse_gradients
    double = model.network(torch).double()
    torch.nn.utils.vector_to_parameters(torch.from_numpy(params).double(), double.parameters())
    inputs, targets = model.batch(torch, data, rows)
    logits = double(inputs.double() if inputs.is_floating_point() else inputs)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    reference = torch.cat([parameter.grad.flatten() for parameter in double.parameters()]).numpy()
    assert np.allclose(gradient.values, reference, atol=1e-5 * np.abs(reference).max())


@pytest.mark.parametrize("spec", MODELS)
def test_blocks_name_the_tensors_without_gaps(spec):
    model, _, blocks, params = made(spec)
    assert [block.start for block in blocks[1:]] == [block.stop for block in blocks[:-1]] and blocks[0].start == 0
    named = dict(model.network(torch).named_parameters())
    assert [(block.name, block.shape) for block in blocks] == [(name, tuple(p.shape)) for name, p in named.items()]
    assert params.dtype == np.float32 and blocks[-1].stop == len(params)


def test_parameters_are_views_and_gradients_are_fresh():
    model, data, _, params = made("mlp(hidden=16)")
    rows = np.arange(8)
    first, _ = model.gradient(params, data, rows)
    kept = first.values.copy()
    params += np.float32(0.1)  # in place, as optimizers do
    second, _ = model.gradient(params, data, rows)
    assert np.array_equal(first.values, kept) and not np.array_equal(second.values, kept)
    again, _ = made("mlp(hidden=16)")[0].gradient(params.copy(), data, rows)
    assert np.array_equal(again.values, second.values)


@pytest.mark.parametrize("spec", ["mlp(hidden=16)", "transformer(width=16, layers=2, heads=2, positions=12)"])
def test_evaluation_sums_rows_and_scores_each(spec):
    model, data, _, params = made(spec)
    total, scores = model.evaluate(params, data, 5, 30)
    ones = [model.evaluate(params, data, row, row + 1) for row in range(5, 30)]
    assert total == pytest.approx(sum(loss for loss, _ in ones), rel=1e-5) and scores.dtype == np.float32
    assert np.allclose(scores, np.concatenate([score for _, score in ones]), atol=1e-5)
    assert model.evaluate(params, data, 4, 4) == (0.0, pytest.approx(np.empty(0)))
    if model.task == "text":
        assert model.metric(scores, None) == pytest.approx(total / 25 / math.log(2), rel=1e-5)
        assert model.metric(scores, None) == pytest.approx(8, rel=0.02)  # of 256 equally likely bytes
    else:
        logits = model.network(torch)
        torch.nn.utils.vector_to_parameters(torch.from_numpy(params), logits.parameters())
        expected = logits(model.batch(torch, data, np.arange(5, 30))[0]).argmax(1).numpy()
        assert np.array_equal(scores, expected)
        assert model.metric(scores, data.labels[5:30]) == np.mean(expected == data.labels[5:30])


def test_weight_decay_is_in_the_gradient_and_the_penalty():
    plain, data, _, params = made("mlp(hidden=16)")
    decayed = gw.one("models", "mlp(hidden=16, l2=0.5)")
    difference = decayed.gradient(params, data, [1, 2])[0].values - plain.gradient(params, data, [1, 2])[0].values
    assert np.allclose(difference, params / 2, atol=1e-6)
    assert decayed.penalty(params) == pytest.approx(0.25 * float(params.astype(np.float64) @ params))
    nothing, loss = decayed.gradient(params, data, [])
    assert loss == 0 and np.array_equal(nothing.values, params / 2)


def test_the_seed_decides_and_pytorchs_own_generator_is_left_alone():
    model, _, _, params = made("cnn(channels=8)")
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    assert np.array_equal(model.init(len(params), 7), params) and not np.array_equal(model.init(len(params), 8), params)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_sizes():
    assert gw.one("models", "mlp").blocks(784)[-1].stop == 784 * 64 + 64 + 640 + 10
    assert gw.one("models", "cnn").blocks(784)[-1].stop == 77_562
    assert gw.one("models", "transformer").blocks(256)[-1].stop == 1_853_568


@pytest.mark.parametrize(
    "spec, error",
    [
        ("mlp(hidden=0)", "expected a hidden width as an integer in 1"),
        ("mlp(hidden=wide)", "expected a hidden width as an integer in 1 … 65536, got 'wide'"),
        ("mlp(hidden=1.5)", "expected hidden as a list of widths, got 1.5"),
        ("mlp(threads=0)", "expected threads"),
        ("mlp(l2=-1)", "expected a finite l2"),
        ("cnn(channels=12)", "expected channels as a multiple of 8, got 12"),
        ("cnn(depth=0)", "expected depth"),
        ("transformer(width=10, heads=3)", "expected a width that 3 heads share evenly, got 10"),
        ("transformer(layers=true)", "expected layers"),
    ],
)
def test_bad_options(spec, error):
    with pytest.raises(ConfigError, match=error):
        gw.one("models", spec)


def test_other_data_are_refused():
    with pytest.raises(IncompatibleError, match="model mlp is for data of 784 features, got 256"):
        gw.one("models", "mlp").blocks(256)
    with pytest.raises(ConfigError, match="model mlp has 50890 parameters, got a dimension of 5"):
        gw.one("models", "mlp").init(5, 0)
    assert gw.one("models", replace(gw.one("models", "mlp"), hidden=()).spec).hidden == ()
    model = gw.one("models", "transformer(width=16, layers=1, heads=2, positions=11)")
    with pytest.raises(ConfigError, match="expected rows of at most positions = 11 bytes, got data of 12"):
        model.check(Table(np.zeros(25, np.uint8), None, 12, 1))


def test_without_pytorch_it_says_how_to_get_it(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(neural.importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    model = gw.one("models", "mlp")
    listed = {line.split()[0]: line for line in listing.plugins(["models"]).splitlines()[2:]}
    assert 'needs PyTorch, which is not installed: pip install "gradwire[torch]"' in listed["cnn"] and "PyTorch" not in listed["svm"]
    with pytest.raises(ConfigError, match=r'model mlp needs PyTorch, which is not installed: pip install "gradwire\[torch\]"'):
        model.blocks(784)


def test_nothing_imports_pytorch_before_it_is_needed():
    code = "import sys, gradwire as gw; gw.one('models', 'cnn'); import gradwire.training, gradwire.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

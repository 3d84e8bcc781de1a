"""Images of clothes: from files, from a package, and what is said when they cannot be had."""

import gzip
import hashlib

import numpy as np
import pytest

import gradwire.data as data
from gradwire import config, training
from gradwire.data import cache, debian, fashion_mnist
from gradwire.data.fashion_mnist import FILES, FashionMNIST
from gradwire.errors import ConfigError, DataError, IncompatibleError


def idx_file(array):
    """The bytes of an idx file, built by its description."""
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def files(monkeypatch):
    """{name: content} of a small data set in place of the real one: 5 and 3 images of 784 pixels."""
    rng = np.random.default_rng(0)
    found = {}
    for split, rows in (("train", 5), ("t10k", 3)):
        found[f"{split}-images-idx3-ubyte"] = idx_file(rng.integers(0, 256, (rows, 28, 28)))
        found[f"{split}-labels-idx1-ubyte"] = idx_file(np.arange(rows) % 10)
    monkeypatch.setattr(fashion_mnist, "FILES", {name: hashlib.sha256(content).hexdigest() for name, content in found.items()})
    return found


@pytest.fixture
def folder(files, tmp_path):
    path = tmp_path / "files"
    path.mkdir()
    for i, (name, content) in enumerate(files.items()):
        if i % 2:
            (path / name).write_bytes(content)
        else:
            (path / f"{name}.gz").write_bytes(gzip.compress(content))
    return path


def pixels(content):
    return np.frombuffer(content[16:], np.uint8)


def test_files_of_a_folder_packed_or_not(files, folder, load_together):
    dataset = FashionMNIST(folder=str(folder))
    prepared = load_together(dataset, 2)[1]
    assert (prepared.task, dataset.task, prepared.n_features) == ("images", "images", 784)
    assert (prepared.train.n_rows, prepared.test.n_rows, prepared.train.width, prepared.meta["classes"]) == (5, 3, 784, 10)
    assert np.array_equal(prepared.train.inputs, pixels(files["train-images-idx3-ubyte"]))
    assert np.array_equal(prepared.test.inputs, pixels(files["t10k-images-idx3-ubyte"]))
    assert prepared.train.labels.tolist() == [0, 1, 2, 3, 4]
    assert np.array_equal(prepared.train.take(np.array([3]))[0], pixels(files["train-images-idx3-ubyte"])[3 * 784 : 4 * 784])


def test_the_package_is_the_source_unless_a_folder_is_given(files, folder, tmp_path, monkeypatch):
    asked = []

    def read(package, names):
        asked.append(package)
        return {name: gzip.compress(files[name.removesuffix(".gz")]) for name in names}

    monkeypatch.setattr(debian, "read", read)
    prepared = data.load(FashionMNIST(), tmp_path / "first")
    assert asked == ["dataset-fashion-mnist"]
    other = data.load(FashionMNIST(folder=str(folder)), tmp_path / "second")
    assert asked == ["dataset-fashion-mnist"]
    assert np.array_equal(prepared.train.inputs, other.train.inputs)
    # the contents are the same by their checksums, so one cache serves both
    assert cache.folder(FashionMNIST(), tmp_path) == cache.folder(FashionMNIST(folder="elsewhere"), tmp_path)


def test_train_rows_are_the_first_ones(files, folder, tmp_path):
    prepared = data.load(FashionMNIST(folder=str(folder), train_rows=2), tmp_path)
    assert (prepared.train.n_rows, prepared.test.n_rows) == (2, 3)
    assert np.array_equal(prepared.train.inputs, pixels(files["train-images-idx3-ubyte"])[: 2 * 784])
    assert cache.folder(FashionMNIST(train_rows=60_000), tmp_path) == cache.folder(FashionMNIST(), tmp_path)
    assert cache.folder(FashionMNIST(train_rows=2), tmp_path) != cache.folder(FashionMNIST(), tmp_path)


def test_other_contents_are_refused(files, folder, tmp_path):
    name = "train-labels-idx1-ubyte"
    (folder / name).write_bytes(files[name][:-1] + b"\5")
    with pytest.raises(DataError, match=f"expected {name} of fashion-mnist with sha256 .*, got "):
        data.load(FashionMNIST(folder=str(folder)), tmp_path)


def test_a_label_that_is_no_class_is_refused(files, folder, tmp_path, monkeypatch):
    name = "t10k-labels-idx1-ubyte"
    content = idx_file(np.array([1, 10, 2]))
    (folder / name).write_bytes(content)
    monkeypatch.setitem(fashion_mnist.FILES, name, hashlib.sha256(content).hexdigest())
    with pytest.raises(DataError, match="expected labels in 0 … 9, got 10"):
        data.load(FashionMNIST(folder=str(folder)), tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b damaged", "train-images-idx3-ubyte: cannot be unpacked: "),
        (gzip.compress(bytes(100_000))[:-20], "train-images-idx3-ubyte: cannot be unpacked: "),
        (gzip.compress(bytes((1 << 26) + 1)), "train-images-idx3-ubyte: expected at most 67108864 bytes, got more"),
    ],
)
def test_a_damaged_file_is_refused(files, folder, tmp_path, content, message):
    (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        data.load(FashionMNIST(folder=str(folder)), tmp_path)


def test_a_missing_file_is_named(folder, tmp_path):
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match="expected t10k-images-idx3-ubyte.gz or t10k-images-idx3-ubyte in .*files, found neither"):
        data.load(FashionMNIST(folder=str(folder)), tmp_path)


def test_without_the_package_the_error_says_what_to_do(tmp_path, monkeypatch):
    def read(package, names):
        raise DataError("apt-get is not here")

    monkeypatch.setattr(debian, "read", read)
    expected = r"\(apt-get is not here\); put its four files train-images-idx3-ubyte.gz, .* and set folder = \"FOLDER\".*GRADWIRE_CACHE"
    with pytest.raises(DataError, match=expected):
        data.load(FashionMNIST(), tmp_path)


@pytest.mark.parametrize("model", ["logistic", "svm", "linear"])
def test_a_linear_model_refuses_images(folder, tmp_path, monkeypatch, model):
    from mpi4py import MPI

    monkeypatch.setenv("GRADWIRE_CACHE", str(tmp_path / "cache"))
    options = f'[data]\nname = "fashion-mnist"\nfolder = "{folder}"\n[model]\nname = "{model}"\n[optimizer]\nlr = 0.1\n'
    (tmp_path / "trial.toml").write_text(options + "[run]\nepochs = 1\nbatch_size = 2\n")
    with pytest.raises(IncompatibleError, match=f"model {model} is for .*, data fashion-mnist is for images"):
        training.Training(config.load(tmp_path / "trial.toml").runs()[0], MPI.COMM_SELF)


@pytest.mark.parametrize("change", [{"train_rows": -1}, {"train_rows": 60_001}, {"train_rows": True}, {"folder": 3}])
def test_bad_options_are_refused(change):
    with pytest.raises(ConfigError):
        FashionMNIST(**change)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    try:
        return data.load(FashionMNIST(), folder), data.describe(FashionMNIST(), folder)
    except DataError as error:
        if "could not be had" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.network
def test_the_real_images_have_the_documented_numbers(real):
    prepared, about = real
    assert (about["train_rows"], about["test_rows"], about["classes"]) == (60_000, 10_000, 10)
    assert np.bincount(prepared.train.labels).tolist() == [6000] * 10
    assert np.bincount(prepared.test.labels).tolist() == [1000] * 10
    assert prepared.train.labels[:4].tolist() == [9, 0, 0, 3]  # ankle boot, T-shirt, T-shirt, dress
    # mean 0.2860 and standard deviation 0.3530 of the pixels / 255, as everybody normalises them
    counts = np.bincount(prepared.train.inputs, minlength=256) / len(prepared.train.inputs)
    mean = counts @ np.arange(256) / 255
    assert mean == pytest.approx(0.2860, abs=1e-4)
    assert (counts @ (np.arange(256) / 255) ** 2 - mean**2) ** 0.5 == pytest.approx(0.3530, abs=1e-4)
    assert len(FILES) == 4


@pytest.mark.network
def test_a_classifier_learns_from_it(real):
    from sklearn.neighbors import NearestCentroid

    prepared, _ = real
    train, test = (split.take(np.arange(split.n_rows)).astype(np.float32) for split in (prepared.train, prepared.test))
    right = NearestCentroid().fit(train, prepared.train.labels).predict(test) == prepared.test.labels
    assert right.mean() > 0.65

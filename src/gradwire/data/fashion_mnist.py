"""fashion-mnist: 70,000 grey images of clothes, 28 × 28 pixels, in ten classes; 60,000 to train and 10,000 to test on, as published.

The four idx files of the Debian package dataset-fashion-mnist (MIT; Xiao, Rasul and Vollgraf 2017): of the installed package, else of the
one that apt fetches and verifies, without installing it; or from a folder. Pixels and labels are as the files have them, 0 … 255 and
0 … 9 (T-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot), and so is the order of rows, which is random.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, DataError
from . import debian, idx, tables
from .base import Dataset, alone, check_integer
from .table import Table
from .unpack import gunzipped

PACKAGE = "dataset-fashion-mnist"
FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""Name of an idx file → sha256 of what is in it, unpacked; they lie packed by gzip, with .gz behind the name."""
TRAIN_ROWS = 60_000
CLASSES = 10
_MOST_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True)
class FashionMNIST(Dataset):
    """train_rows: only the first so many of the images to train on, for quick runs; 0 is all 60,000. All 10,000 to test on are kept.

    folder: where the four idx files lie, packed (.gz) or not, for machines without apt. "" has them from the Debian package.
    """

    name = "fashion-mnist"
    summary = "70,000 grey images of clothes, 28 × 28 pixels, in ten classes"
    paper = "Debian dataset-fashion-mnist (MIT); Xiao, Rasul and Vollgraf, arXiv:1708.07747"

    train_rows: int = 0
    folder: str = ""

    def __post_init__(self):
        check_integer("train_rows", self.train_rows, 0, TRAIN_ROWS)
        if not isinstance(self.folder, str):
            raise ConfigError(f"expected folder as text, got {self.folder!r}")

    @property
    def task(self):
        return "images"

    def identity(self):
        """The rows alone: the files are the same ones, wherever they lie."""
        return {"train_rows": self.train_rows or TRAIN_ROWS}

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        source, checksum = f"Debian {PACKAGE}", "sha256:" + "+".join(FILES.values())
        tables.prepare(folder, rank, barrier, self._read, source=source, checksum=checksum, classes=CLASSES)

    def _read(self):
        """(train, test): the Tables of the four files."""
        packed = read_folder(Path(self.folder).expanduser()) if self.folder else read_package()
        arrays = {name: idx.read(_checked(name, content)) for name, content in packed.items()}
        train, test = (
            image_table(arrays[f"{split}-images-idx3-ubyte"], arrays[f"{split}-labels-idx1-ubyte"]) for split in ("train", "t10k")
        )
        rows = self.train_rows or train.n_rows
        return Table(train.inputs[: rows * train.width], train.labels[:rows], train.width), test


def image_table(images, labels):
    """Table of images (n, …) and labels (n,), both uint8."""
    flat = images.reshape(len(images), -1)
    return Table(flat.ravel(), labels.ravel(), flat.shape[1])


def read_package():
    """{name: bytes} of the four files of the Debian package, packed."""
    try:
        found = debian.read(PACKAGE, [f"{name}.gz" for name in FILES])
    except DataError as error:
        raise DataError(
            f"fashion-mnist is made of files of the Debian package {PACKAGE}, which could not be had ({error}); put its four files "
            f'{", ".join(f"{name}.gz" for name in FILES)} into a folder and set folder = "FOLDER", or copy a prepared cache folder '
            "(GRADWIRE_CACHE)"
        ) from error
    return {name: found[f"{name}.gz"] for name in FILES}


def read_folder(folder):
    """{name: bytes} of the four files in `folder`, packed or not."""
    found = {}
    for name in FILES:
        path = next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)
        if path is None:
            raise DataError(f"expected {name}.gz or {name} in {folder}, found neither")
        found[name] = path.read_bytes()
    return found


def _checked(name, content):
    try:
        content = gunzipped(content, _MOST_BYTES)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != FILES[name]:
        raise DataError(f"expected {name} of fashion-mnist with sha256 {FILES[name]}, got {digest}")
    return content


__all__ = ["CLASSES", "FILES", "PACKAGE", "FashionMNIST", "image_table", "read_folder", "read_package"]

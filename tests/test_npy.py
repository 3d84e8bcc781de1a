import io
import zipfile

import numpy as np
import pytest

import gradwire as gw
from gradwire import npy


def npy_bytes(header, body=b"", version=b"\1\0"):
    """A .npy file of this header, a Python literal."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version == b"\1\0" else 4, "little") + text + body


def literal(descr="'<f4'", shape="(2,)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"


@pytest.mark.parametrize(
    "array",
    [np.arange(6, dtype=np.float32).reshape(2, 3), np.asfortranarray(np.eye(3)), np.array(7), np.empty(0, np.uint8), np.array([True])],
)
def test_what_numpy_wrote_is_read(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    found = npy.mapped(tmp_path / "x.npy")
    assert found.dtype == array.dtype and found.shape == array.shape and (found == array).all() and not found.flags.writeable
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", a=array, b=array)
        found = npy.members(tmp_path / "x.npz")
        assert found.keys() == {"a", "b"} and found["a"].dtype == array.dtype and (found["b"] == array).all()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "header of the array cannot be read"),
        (npy_bytes(literal(), bytes(8), version=b"\3\0"), "expected .npy format 1.0 or 2.0"),
        (npy_bytes(literal(shape="(10000000000000000,)"), bytes(8)), "expected 40000000000000000 bytes of float32"),
        (npy_bytes(literal(shape="(1,)"), bytes(8)), "expected 4 bytes of float32 (1,), got 8"),
        (npy_bytes(literal(), bytes(7)), "expected 8 bytes of float32 (2,), got 7"),
        (npy_bytes(literal(descr="'|O'"), b"cos\nsystem\n(S'true'\ntR."), "expected plain numbers, got object"),
        (npy_bytes(literal(descr="'<U1'"), bytes(8)), "expected plain numbers, got <U1"),
        (npy_bytes(literal(descr="[('a', '<f4')]"), bytes(8)), "expected plain numbers"),
        (npy_bytes(literal(shape="(True, 2)"), bytes(8)), "expected plain numbers, got float32 of shape (True, 2)"),
        (npy_bytes(literal(shape="(-2,)"), bytes(8)), "expected plain numbers"),
        (npy_bytes("__import__('os').system('true')"), "header of the array cannot be read"),
        (npy_bytes("{'descr': (((("), "header of the array cannot be read"),
        (npy_bytes("(" * 4000 + ")" * 4000), "header of the array cannot be read"),
        (npy_bytes("[1, 2]"), "header of the array cannot be read"),
    ],
)  # fmt: skip
def test_made_up_files_are_refused(tmp_path, data, says):
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(gw.DataError) as caught:
        npy.mapped(tmp_path / "x.npy")
    assert says in str(caught.value)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", data)
    with pytest.raises(gw.DataError) as caught:
        npy.members(tmp_path / "x.npz")
    assert says in str(caught.value)


def test_archives_that_are_none(tmp_path):
    with pytest.raises(gw.DataError, match="cannot be read \\(No such file"):
        npy.mapped(tmp_path / "none.npy")
    with pytest.raises(FileNotFoundError):
        npy.members(tmp_path / "none.npz")
    for name, method in (("note.txt", zipfile.ZIP_STORED), ("x.npy", zipfile.ZIP_BZIP2)):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", method) as archive:
            archive.writestr(name, npy_bytes(literal(), bytes(8)))
        (tmp_path / "x.npz").write_bytes(packed.getvalue())
        with pytest.raises(gw.DataError, match="expected arrays|expected a stored or deflated"):
            npy.members(tmp_path / "x.npz")
    (tmp_path / "x.npz").write_bytes(b"not a zip")
    with pytest.raises(gw.DataError, match="not a zip file"):
        npy.members(tmp_path / "x.npz")

import json
import math
import os
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
import xxhash

import gradwire as gw
from gradwire import arrayfile

ARRAYS = {
    "params": np.linspace(-1, 1, 1000, dtype=np.float32),
    "keys": np.arange(77, dtype=np.uint32),
    "empty": np.empty(0, np.float64),
    "square": np.arange(12, dtype=np.int64).reshape(3, 4),
    "mask": np.array([True, False, True]),
    "zero-dimensional": np.float32(0.1),
    "half": np.array([1.5], np.float16),
    "none of it": np.empty((3, 0, 5), np.uint8),
    "steps": 12,
    "state": 2**127 + 1,
    "loss": 0.1 + 0.2,
    "worst": math.inf,
    "done": True,
    "spec": "natural · Ω\n",
}


def sealed(header, body=b"", claimed=None, version=1, magic=b"GRDWARR\n", length=None):
    """A file of this header, text or an object, and with the checksum that belongs to it; the body is at byte 256."""
    header = (header if isinstance(header, bytes) else json.dumps(header).encode()).ljust(256 - 32)
    tail = header.ljust(-(-(32 + len(header)) // 64) * 64 - 32, b"\0") + body
    size = 32 + len(tail) if claimed is None else claimed
    front = struct.pack("<8sIIQ", magic, version, len(header) if length is None else length, size)
    return front + struct.pack("<Q", xxhash.xxh3_64_intdigest(front + tail)) + tail


def entry(**changes):
    return {"name": "x", "dtype": "<f4", "shape": [2], "offset": 256, "length": 8} | changes


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.ckpt"


def test_what_was_written_comes_back(path):
    arrayfile.write(path, ARRAYS)
    found = arrayfile.read(path)
    assert found.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        if isinstance(value, np.ndarray | np.generic):
            assert isinstance(found[name], np.ndarray) and found[name].flags.writeable and found[name].flags.c_contiguous
            assert found[name].dtype == value.dtype and found[name].shape == value.shape
            assert found[name].tobytes() == value.tobytes()
        else:
            assert type(found[name]) is type(value) and found[name] == value
    assert os.listdir(path.parent) == ["some.ckpt"]


def test_the_layout_is_what_the_module_says(path):
    arrayfile.write(path, {"x": np.array([1, 2], "<f4"), "y": np.array([7], "u1"), "n": 5})
    data = path.read_bytes()
    magic, version, length, size, checksum = struct.unpack_from("<8sIIQQ", data)
    assert (magic, version, size) == (b"GRDWARR\n", 1, len(data))
    assert checksum == xxhash.xxh3_64_intdigest(data[:24] + data[32:])
    header = json.loads(data[32 : 32 + length])
    first, second = header["arrays"]
    assert header["values"] == {"n": 5}
    assert (first["dtype"], first["shape"], first["length"]) == ("<f4", [2], 8) and first["offset"] % 64 == 0
    assert second["offset"] == first["offset"] + 64 == len(data) - 1
    assert data[first["offset"] :] == struct.pack("<ff", 1, 2) + bytes(56) + b"\7"


@pytest.mark.parametrize("count", [0, 1, 7, 30, 300])
def test_any_number_of_arrays(path, count):
    """The offsets' digits change the header's length, and it the offsets."""
    arrays = {f"array {i}": np.full(i, i, np.float32) for i in range(count)}
    arrayfile.write(path, arrays)
    found = arrayfile.read(path)
    assert list(found) == list(arrays) and all((found[name] == arrays[name]).all() for name in arrays)


def test_arrays_of_another_layout_are_stored_as_plain_ones(path):
    matrix = np.arange(6.0).reshape(2, 3)
    arrayfile.write(path, {"turned": matrix.T, "big": matrix.astype(">f8"), "some": matrix[:, ::2]})
    found = arrayfile.read(path)
    assert (found["turned"] == matrix.T).all() and (found["big"] == matrix).all() and (found["some"] == matrix[:, ::2]).all()


@pytest.mark.parametrize("value", [None, [1, "a"], {"a": 1}, np.array(["text"]), np.array([None]), 1j, b"bytes"])
def test_other_objects_are_refused(path, value):
    with pytest.raises(gw.DataError, match="'it': expected numbers of a dtype among"):
        arrayfile.write(path, {"it": value})
    assert not path.exists()


def test_a_header_has_its_limit(path):
    with pytest.raises(gw.DataError, match="at most 1048576 bytes"):
        arrayfile.write(path, {"text": "x" * 2**20})
    assert os.listdir(path.parent) == []


def test_every_cut_and_every_flipped_byte_is_refused(path):
    arrayfile.write(path, {"params": np.arange(3, dtype=np.float32), "mask": np.array([True]), "n": 1})
    whole = path.read_bytes()
    damaged = [whole[:n] for n in range(len(whole))] + [whole + b"\0", whole + whole]
    damaged += [whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :] for i in range(len(whole)) for bit in (1, 128)]
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(gw.DataError, match=r"some\.ckpt: not a whole array file: "):
            arrayfile.read(path)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "expected at least 32 bytes, got 0"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "expected the magic"),
        (sealed({}, magic=b"GRDWARR\0"), "expected the magic"),
        (sealed({}, version=2), "expected format version 1, got 2"),
        (sealed({}, claimed=10**15), "expected 1000000000000000 bytes, got 256"),
        (sealed({}, length=2**20 + 1), "a header of at most 224 bytes, got one of 1048577"),
        (sealed(b"[" * 60000), "header cannot be read: maximum recursion"),
        (sealed(b"9" * 5000), "header cannot be read: Exceeds the limit"),
        (sealed(b"\xff\xfe\x00"), "header cannot be read"),
        (sealed(b"{"), "header cannot be read"),
        (sealed(b'{"arrays": [], "arrays": [], "values": {}}'), "a name is there twice"),
        (sealed(b'{"arrays": [], "values": {"a": 1, "a": 1}}'), "a name is there twice"),
        (sealed([]), "expected a header of arrays and values"),
        (sealed({"arrays": [], "values": {}, "code": "import os"}), "expected a header of arrays and values"),
        (sealed({"arrays": {}, "values": {}}), "expected arrays described by"),
        (sealed({"arrays": [[]], "values": {}}), "expected arrays described by"),
        (sealed({"arrays": [entry(dtype="|O8")], "values": {}}, bytes(8)), "expected arrays described by"),
        (sealed({"arrays": [entry(dtype=["<f4"])], "values": {}}, bytes(8)), "expected arrays described by"),
        (sealed({"arrays": [entry(shape=[-2])], "values": {}}, bytes(8)), "expected arrays described by"),
        (sealed({"arrays": [entry(shape=[2.0])], "values": {}}, bytes(8)), "expected arrays described by"),
        (sealed({"arrays": [entry(shape=[True, 2])], "values": {}}, bytes(8)), "expected arrays described by"),
        (sealed({"arrays": [entry(shape=[1] * 33)], "values": {}}, bytes(8)), "expected arrays described by"),
        (sealed({"arrays": [entry(name=1)], "values": {}}, bytes(8)), "expected arrays described by"),
        (sealed({"arrays": [], "values": {"a": None}}), "expected values that are"),
        (sealed({"arrays": [], "values": {"a": [1]}}), "expected values that are"),
        (sealed({"arrays": [entry()], "values": {"x": 1}}, bytes(8)), "a name is there twice"),
        (sealed({"arrays": [entry(shape=[10**15], length=4 * 10**15)], "values": {}}, bytes(8)), "expected 4000000000000000 bytes at 256 of 264"),
        (sealed({"arrays": [entry(offset=320)], "values": {}}, bytes(9)), "expected 8 bytes at 256 of 265, got 8 at 320"),
        (sealed({"arrays": [entry()], "values": {}}, bytes(9)), "expected the arrays to end at byte 265, got 264"),
        (sealed({"arrays": [entry(), entry(name="y")], "values": {}}, bytes(16)), "array 'y': expected 8 bytes at 320 of 272, got 8 at 256"),
        (sealed({"arrays": [entry(), entry(name="y", offset=320)], "values": {}}, b"\1" * 72), "expected zeros between the arrays"),
        (sealed({"arrays": [entry(offset=0)], "values": {}}, bytes(8)), "expected 8 bytes at 256 of 264, got 8 at 0"),
        (sealed({"arrays": [entry(length=4)], "values": {}}, bytes(8)), "expected 8 bytes at 256 of 264, got 4 at 256"),
        (sealed({"arrays": [entry(shape=[0, 10**30], length=0)], "values": {}}), "array 'x': "),
        (sealed({"arrays": [entry(shape=[0, 2**62, 2**62], length=0)], "values": {}}), "array 'x': "),
        (sealed({"arrays": [entry(dtype="|b1", shape=[1], length=1)], "values": {}}, b"\2"), "0 and 1 as truth values"),
        (sealed({"arrays": [], "values": {}}, bytes(64)), "expected the arrays to end at byte 320, got 256"),
        (sealed(b'{"arrays": [], "values": {}}' + b"\0\1"), "header cannot be read"),
    ],
)  # fmt: skip
def test_made_up_files_are_refused(path, data, says):
    """The checksum is right in these: each is stopped by the check behind it."""
    path.write_bytes(data)
    with pytest.raises(gw.DataError) as caught:
        arrayfile.read(path)
    assert str(caught.value).startswith(f"{path}: not a whole array file: ") and says in str(caught.value)


def test_a_file_of_holes_is_refused_when_memory_does_not_hold_it(path):
    size = 10**10
    path.write_bytes(sealed({"arrays": [entry(dtype="|u1", shape=[size], length=size)], "values": {}}, claimed=256 + size))
    os.truncate(path, 256 + size)
    script = (
        "import resource, sys; from gradwire import DataError, arrayfile\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))\n"
        "try: arrayfile.read(sys.argv[1])\n"
        "except DataError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True).stdout
    assert "not a whole array file: array 'x': Unable to allocate 9.31 GiB" in said


def test_a_missing_file_and_a_folder(path):
    with pytest.raises(gw.DataError, match="not a whole array file: No such file or directory"):
        arrayfile.read(path)
    with pytest.raises(gw.DataError, match="not a whole array file: Is a directory"):
        arrayfile.read(path.parent)


def test_a_file_that_shrinks_while_it_is_read(path, monkeypatch):
    arrayfile.write(path, {"x": np.zeros(10**5)})
    size = path.stat().st_size
    monkeypatch.setattr(arrayfile, "_check_entries", lambda *_: os.truncate(path, size - 1000))
    with pytest.raises(gw.DataError, match="expected 800000 bytes, got 799000"):
        arrayfile.read(path)


def limited(path, nbytes):
    """Write 800 kB where files may not be larger than `nbytes`, in a process of its own; returns what it says."""
    script = (
        "import errno, resource, signal, sys, numpy as np; from gradwire import arrayfile\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); limit = int(sys.argv[2]); resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "try: arrayfile.write(sys.argv[1], {'x': np.ones(10**5)}); print('written')\n"
        "except OSError as error: print(errno.errorcode[error.errno])"
    )
    return subprocess.run([sys.executable, "-c", script, str(path), str(nbytes)], capture_output=True, text=True, check=True).stdout.strip()


def test_a_failed_write_leaves_the_earlier_file_alone(path):
    assert limited(path, 10**5) == "EFBIG" and os.listdir(path.parent) == []
    arrayfile.write(path, {"x": 1})
    assert limited(path, 10**5) == "EFBIG"
    assert os.listdir(path.parent) == ["some.ckpt"] and arrayfile.read(path) == {"x": 1}
    assert limited(path, 10**6) == "written"
    assert len(arrayfile.read(path)["x"]) == 10**5


def test_a_killed_write_leaves_the_earlier_file_alone(path):
    """At each system call of a write in turn."""
    arrayfile.write(path, {"x": 1})
    script = (
        "import os, signal, sys; from gradwire import arrayfile\n"
        "name, calls = sys.argv[2], getattr(os, sys.argv[2])\n"
        "setattr(os, name, lambda *a: os.kill(os.getpid(), signal.SIGKILL))\n"
        "arrayfile.write(sys.argv[1], {'x': 2})"
    )
    for call in ("pwrite", "fsync", "replace"):
        done = subprocess.run([sys.executable, "-c", script, str(path), call], check=False)
        assert done.returncode == -signal.SIGKILL
        assert arrayfile.read(path) == {"x": 1}
        (left,) = path.parent.glob("*.part")
        left.unlink()


def test_memory_stays_below_one_copy_of_the_arrays(tmp_path):
    """Written from the arrays themselves and read into them: 80 MB each way, within 20 MB more."""
    script = (
        "import resource, sys, numpy as np; from gradwire import arrayfile\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "arrayfile.write(sys.argv[1], {'x': np.ones(8)}); arrayfile.read(sys.argv[1])\n"
        "x = np.ones(10**7); before = peak(); arrayfile.write(sys.argv[1], {'x': x}); written = peak(); del x\n"
        "arrayfile.read(sys.argv[1]); print(written - before, peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "big.ckpt")], capture_output=True, text=True, check=True)
    assert max(map(int, done.stdout.split())) <= 20


def test_folders_that_cannot_be_synced(tmp_path, monkeypatch):
    def refuse(number):
        def fsync(_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    refuse(22)
    arrayfile.sync_folder(tmp_path)
    refuse(5)
    with pytest.raises(OSError, match="Input/output"):
        arrayfile.sync_folder(tmp_path)

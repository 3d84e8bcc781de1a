"""Packed files and archives, hostile and damaged ones too."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from gradwire.data.unpack import gunzipped, unpack
from gradwire.errors import DataError

CONTENT = bytes(range(256)) * 400


def tar(path, members, mode):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, gzip.compress, bytes])
def test_files_are_unpacked_by_what_they_are_not_by_name(tmp_path, pack):
    (tmp_path / "packed").write_bytes(pack(CONTENT[:5000]) + (pack(CONTENT[5000:])))
    unpack(tmp_path / "packed", tmp_path / "text")
    assert (tmp_path / "text").read_bytes() == CONTENT


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_one_member_of_a_tar(tmp_path, mode):
    tar(tmp_path / "a.tar", {"../../escaped": b"no", "d/train": CONTENT, "/etc/passwd2": b"no"}, mode)
    unpack(tmp_path / "a.tar", tmp_path / "text", "d/train")
    assert (tmp_path / "text").read_bytes() == CONTENT
    unpack(tmp_path / "a.tar", tmp_path / "text", "../../escaped")  # the name decides what is read, never where it is written
    assert (tmp_path / "text").read_bytes() == b"no"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.tar", "text"]
    with pytest.raises(DataError, match=r"expected d/test in .*a\.tar, found no such file"):
        unpack(tmp_path / "a.tar", tmp_path / "text", "d/test")


def test_a_link_in_a_tar_is_no_file(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("train")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DataError, match="found no such file"):
        unpack(tmp_path / "a.tar", tmp_path / "text", "train")


def test_one_member_of_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../escaped", b"no")
        archive.writestr("train", CONTENT)
    unpack(tmp_path / "a.zip", tmp_path / "text", "train")
    assert (tmp_path / "text").read_bytes() == CONTENT
    with pytest.raises(DataError, match=r"expected test in .*a\.zip, found \.\./escaped, train"):
        unpack(tmp_path / "a.zip", tmp_path / "text", "test")


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, gzip.compress])
@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_archives_are_named(tmp_path, pack, damage):
    packed = bytearray(pack(CONTENT))
    if damage == "cut":
        del packed[-20:]
    else:
        packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "packed").write_bytes(packed)
    with pytest.raises(DataError, match="cannot unpack .*packed: .*; remove it to have it downloaded again"):
        unpack(tmp_path / "packed", tmp_path / "text")


def test_what_is_not_the_archives_fault_is_not_blamed_on_it(tmp_path):
    (tmp_path / "packed").write_bytes(bz2.compress(CONTENT))
    with pytest.raises(DataError, match="cannot unpack .*No such file or directory.*") as raised:
        unpack(tmp_path / "packed", tmp_path / "nowhere" / "text")
    assert "remove it" not in str(raised.value)


def test_bytes_are_gunzipped_or_left_as_they_are():
    assert gunzipped(gzip.compress(CONTENT), len(CONTENT)) == gunzipped(CONTENT, len(CONTENT)) == CONTENT
    assert gunzipped(b"", 0) == b""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(CONTENT), f"expected at most {len(CONTENT) - 1} bytes, got more"),
        (CONTENT, f"expected at most {len(CONTENT) - 1} bytes, got more"),
        (gzip.compress(CONTENT[:5000])[:-1], "cannot be unpacked: "),
        (gzip.compress(b"short")[:-8] + bytes(8), "cannot be unpacked: .*CRC"),
        (b"\x1f\x8b junk", "cannot be unpacked: "),
    ],
)
def test_bytes_that_are_damaged_or_too_many_are_refused(content, message):
    with pytest.raises(DataError, match=message):
        gunzipped(content, len(CONTENT) - 1)

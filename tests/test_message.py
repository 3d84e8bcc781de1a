import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradwire as gw
from gradwire.message import Message
from gradwire.testing import mutations

payloads = st.binary(max_size=40)


def pack(**changed):
    arguments = {"dim": 100, "nnz": 3, "spec_hash": 2**64 - 2, "sections": {"keys": b"12345", "values": b"abcdefgh"}} | changed
    return Message.pack(**arguments)


@given(st.dictionaries(st.sampled_from(["keys", "values", "tables"]), payloads), st.integers(1, 2**32), st.integers(0, 2**64 - 1))
def test_bytes_round_trip(sections, dim, spec_hash):
    message = Message.pack(dim=dim, nnz=dim // 2, spec_hash=spec_hash, sections=sections)
    wire = bytes(message)
    read = Message.from_bytes(wire)
    assert (read.dim, read.nnz, read.spec_hash, read.is_dense) == (dim, dim // 2, spec_hash, False)
    assert read.sections == sections
    assert read.nbytes == len(wire) == len(message) == sum(read.split_nbytes().values())
    assert len(wire) % 8 == 0
    assert bytes(read) == wire


def test_sections_start_at_multiples_of_eight():
    message = pack()
    base = message.buffer.ctypes.data
    assert [(message.section(name).ctypes.data - base) % 8 for name in message.sections] == [0, 0]
    assert message.split_nbytes() == {"header": 56, "keys": 8, "values": 8, "tables": 0}


def test_joined_sections_are_copied_only_around_padding():
    for tables in (b"", b"12345678", b"12345"):
        message = pack(sections={"tables": tables, "values": b"abc"})
        joined = message.joined("tables", "values")
        assert bytes(joined) == tables + b"abc"
        assert np.shares_memory(joined, message.buffer) == (len(tables) % 8 == 0)
    assert bytes(pack().joined("tables", "values")) == b"abcdefgh"
    with pytest.raises(gw.CorruptMessage, match="tables"):
        pack().joined("values", "tables")


def test_unaligned_bytes_are_read_too():
    wire = b"x" + bytes(pack())
    assert Message.from_bytes(memoryview(wire)[1:]).nnz == 3


def test_every_damage_is_corrupt():
    wire = bytes(pack())
    for damaged in mutations(wire, 400):
        if damaged != wire:
            with pytest.raises(gw.CorruptMessage):
                Message.from_bytes(damaged)


@pytest.mark.parametrize("bit", range(8 * 72))
def test_every_single_bit_flip_is_corrupt(bit):
    wire = bytearray(bytes(pack()))
    assert len(wire) == 72
    wire[bit // 8] ^= 1 << bit % 8
    with pytest.raises(gw.CorruptMessage):
        Message.from_bytes(wire)


def reseal(wire):
    """The same bytes with the right checksum, as an attacker would send them."""
    from gradwire.message import _checksum

    wire = np.frombuffer(bytes(wire), np.uint8).copy()
    struct.pack_into("<Q", wire, 32, _checksum(wire))
    return wire.tobytes()


@pytest.mark.parametrize(
    ("at", "form", "value", "says"),
    [
        (0, "4s", b"GRDX", "magic"),
        (4, "H", 2, "version 1, got 2"),
        (6, "B", 4, "sections"),
        (6, "B", 255, "sections"),
        (7, "B", 2, "impossible header"),
        (7, "B", 1, "impossible header"),
        (8, "Q", 0, "impossible header"),
        (8, "Q", 2**32 + 1, "impossible header"),
        (16, "Q", 101, "impossible header"),
        (40, "Q", 5 << 8 | 3, "impossible section: id 3"),
        (40, "Q", 1 << 60, "impossible section"),
        (40, "Q", 1 << 8, "expected|impossible"),
        (48, "Q", 8 << 8 | 0, "impossible section: id 0"),
    ],
)
def test_made_up_headers_with_a_right_checksum_are_corrupt(at, form, value, says):
    wire = bytearray(bytes(pack(sections={"keys": b"1" * 9, "values": b"2" * 8})))
    struct.pack_into(f"<{form}", wire, at, value)
    with pytest.raises(gw.CorruptMessage, match=says):
        Message.from_bytes(reseal(wire))


def test_padding_is_zero():
    wire = bytearray(bytes(pack()))
    wire[56 + 5] = 1
    with pytest.raises(gw.CorruptMessage, match="zeros between"):
        Message.from_bytes(reseal(wire))


def test_a_missing_section_is_corrupt():
    with pytest.raises(gw.CorruptMessage, match="'tables'"):
        pack().section("tables")


def test_golden_bytes():
    assert bytes(pack()).hex() == GOLDEN


def test_repr_says_what_it_is():
    assert "nnz=3" in repr(pack())


GOLDEN = "475244570100020064000000000000000300000000000000feffffffffffffff37bd5991e5c5632f0005000000000000020800000000000031323334350000006162636465666768"

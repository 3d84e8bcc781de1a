"""How value coders with small integer codes write them, and the groups of values that share a norm: what they have in common.

fixed     ⌈log₂ alphabet⌉ bits each (bitpack.h)
elias     Elias gamma codes of code + 1, unary and low bits apart (elias_gamma.h): 1 bit for code 0, 3 for 1 and 2, 5 for 3 to 6, …
huffman   the entropy stage (gradwire.codecs.entropy)
"""

import numpy as np

from ..._ext import bitpack as _bitpack
from ..._ext import elias_gamma as _gamma
from ...errors import ConfigError, CorruptMessage
from .. import entropy as _entropy

CODINGS = ("fixed", "elias", "huffman")


def check_coding(coding):
    """ConfigError unless `coding` is one of CODINGS."""
    if coding not in CODINGS:
        raise ConfigError(f"expected coding as one of {', '.join(CODINGS)}, got {coding!r}")


def check_group_size(group_size):
    """ConfigError unless `group_size` is 0 (one group) or a number of values that a gradient can have."""
    if type(group_size) is not int or not 0 <= group_size <= 1 << 32:
        raise ConfigError(f"expected group_size as an integer in 0 … 2³² (0: one group), got {group_size!r}")


def groups(nnz, group_size):
    """(values in a group, number of groups) of nnz values."""
    size = group_size or max(nnz, 1)
    return size, -(-nnz // size)


def padded(nbytes):
    """The next multiple of 8: what a table of that many bytes takes."""
    return nbytes + -nbytes % 8


def fixed_bits(alphabet):
    """Bits of a code below `alphabet` ≥ 2."""
    return (alphabet - 1).bit_length()


def encode_codes(at, codes, alphabet, coding):
    """uint8: `at` bytes for the caller to fill, then `codes` (uint16, each below alphabet)."""
    if coding == "huffman":
        return np.concatenate([np.empty(at, np.uint8), _entropy.encode(codes, alphabet)])
    if coding == "elias":
        payload = np.empty(at + _gamma.nbytes(codes) + _gamma.SLACK, np.uint8)
        return payload[: at + _gamma.encode(codes, payload[at:])]
    bits = fixed_bits(alphabet)
    payload = np.empty(at + _bitpack.packed_nbytes(len(codes), bits), np.uint8)
    _bitpack.pack(codes, bits, payload[at:])
    return payload


def decode_codes(name, payload, nnz, alphabet, coding):
    """uint16 (nnz,), each below `alphabet`, or CorruptMessage. Allocates nothing unless the payload may hold nnz codes."""
    if coding == "huffman":
        return _entropy.decode(payload, nnz, alphabet)
    least = nnz if coding == "elias" else nnz * fixed_bits(alphabet)
    if len(payload) < (least + 7) // 8:
        raise CorruptMessage(f"{name} values: expected at least {(least + 7) // 8} bytes of codes, got {len(payload)}")
    codes = np.empty(nnz, np.uint16)
    if coding == "elias":
        largest = _gamma.decode(payload, codes)
        if largest is None:
            raise CorruptMessage(f"{name} values: expected the gamma codes of {nnz} numbers in {len(payload)} bytes, got others")
    else:
        if len(payload) != _bitpack.packed_nbytes(nnz, fixed_bits(alphabet)):
            raise CorruptMessage(f"{name} values: expected {nnz} codes of {fixed_bits(alphabet)} bits, got {len(payload)} bytes")
        _bitpack.unpack(payload, nnz, fixed_bits(alphabet), codes)
        largest = int(codes.max()) if nnz else 0
    if largest >= alphabet:
        raise CorruptMessage(f"{name} values: expected codes below {alphabet}, got {largest}")
    return codes


def read_floats(name, payload, shape):
    """float32 of that shape from the first bytes of `payload`, finite, and the zeros behind them up to a multiple of 8."""
    nbytes = 4 * int(np.prod(shape))
    if len(payload) < padded(nbytes):
        raise CorruptMessage(f"{name} values: expected {padded(nbytes)} bytes of norms, got {len(payload)} in all")
    floats = payload[:nbytes].copy().view("<f4").reshape(shape)
    if not np.isfinite(floats).all() or payload[nbytes : padded(nbytes)].any():
        raise CorruptMessage(f"{name} values: expected finite norms and zeros behind them")
    return floats


def write_floats(payload, floats):
    """The reverse: `floats` and the zeros, to the first bytes of `payload`."""
    nbytes = 4 * floats.size
    payload[:nbytes] = floats.reshape(-1).view(np.uint8)
    payload[nbytes : padded(nbytes)] = 0

"""Parts as another distribution would bring them (gradwire_toy_parts-1.0.dist-info): one conforms, the others break rules."""

import os
import time
import zlib
from dataclasses import dataclass

import numpy as np

import gradwire as gw


@dataclass(frozen=True)
class ToyKeys(gw.KeyCoder):
    """Raw keys behind a CRC-32: conforms."""

    name = "toy"
    summary = "raw keys and their CRC-32"
    paper = ""

    def encode(self, keys, dim):
        data = np.asarray(keys, "<u4").tobytes()
        return zlib.crc32(data).to_bytes(4, "little") + data

    def decode(self, payload, nnz, dim):
        payload = bytes(payload)
        if len(payload) != 4 + 4 * nnz or zlib.crc32(payload[4:]) != int.from_bytes(payload[:4], "little"):
            raise gw.CorruptMessage("toy keys: damaged")
        keys = np.frombuffer(payload[4:], "<u4").astype(np.uint32)
        if (np.diff(keys.astype(np.int64)) <= 0).any() or (nnz and keys[-1] >= dim):
            raise gw.CorruptMessage("toy keys: out of order")
        return keys

    def estimate(self, keys, dim):
        return 4 + 4 * len(keys)


@dataclass(frozen=True)
class ToyValues(gw.ValueCoder):
    """Truncated to 16 bits, and wrong about it: claims to be unbiased, allocates before it looks, trusts its payload."""

    name = "careless"
    unbiased = True

    def omega(self, dim):
        return 0.0

    def encode(self, values, keys, step):
        return (values.view(np.uint32) >> 16).astype("<u2").view(np.uint8)

    def decode(self, payload, keys, step, nnz=None):
        values = np.zeros(nnz if keys is None else len(keys), np.uint32)
        values[:] = np.frombuffer(payload, "<u2")
        return (values << 16).view(np.float32)


@dataclass(frozen=True)
class ToySparsifier(gw.Sparsifier):
    """Keeps every other entry, zeros too, says that it is unbiased, and loses fresh_nnz."""

    name = "other"
    unbiased = True

    def sparsify(self, gradient, step):
        sparse = gradient.to_sparse()
        return gw.Gradient(sparse.values[::2], sparse.dim, sparse.keys[::2])


@dataclass(frozen=True)
class BadKeys(ToyKeys):
    """Raw keys that do something worse to a damaged payload than raise an error: "crash", "hang" or "hog"."""

    how: str = "crash"

    name = "bad"

    def decode(self, payload, nnz, dim):
        try:
            return super().decode(payload, nnz, dim)
        except gw.CorruptMessage:
            if self.how == "crash":
                os.abort()
            if self.how == "hang":
                time.sleep(3600)
            return np.zeros(2**26, np.uint32)[:nnz]

"""What tests/fuzz.py feeds to which decoder: five families of targets, and mutations that know what a message looks like.

A target is one configuration of one part. `target.damaged(random)` makes an input from the valid ones, `target.decode(input)`
decodes it and returns (bytes that stand for the result, number of values), raises CorruptMessage, or AssertionError for a result
that must not be.
"""

import importlib.util
import itertools
import struct
from pathlib import Path

import numpy as np
import xxhash

import gradwire as gw
from gradwire.testing import STEP, inputs, parts, sketches
from gradwire.testing.codecs import accepts

WORDS = (0, 1, 2, 7, 8, 31, 32, 33, 63, 64, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1)
NAMES = ("gaussian", "one key", "empty", "all keys", "heavy tail", "constant", "dense", "dense zeros", "largest dim", "denormals")
CHECKSUM_AT, HEADER = 32, 40


def mutate(random, data, other):
    """`data` damaged in one to eight ways; `other` is another valid input, to splice with."""
    data = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        way, size = random.randrange(10), len(data)
        at = random.randrange(random.choice((size, min(size, 64)))) if size else 0
        run = slice(at, at + random.choice((1, 4, 8, random.randrange(64) + 1)))
        if way == 0 or not size:
            data[at:at] = random.randbytes(random.choice((1, 4, 8, 64)))
        elif way < 3:
            data[at] ^= 1 << random.randrange(8)
        elif way == 3:
            data[at] = random.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
        elif way == 4:
            width = random.choice((2, 4, 8))
            word = (random.choice((*WORDS, size, size // 4)) + random.choice((-1, 0, 0, 1))) % 2 ** (8 * width)
            data[at // width * width : at // width * width + width] = word.to_bytes(width, "little")
        elif way == 5:
            del data[at:]
        elif way == 6:
            data[at:] = other[min(at, len(other)) :]
        elif way == 7:
            data[at:at] = data[run] if random.random() < 0.5 else other[run]
        elif way == 8:
            del data[run]
        else:
            data[run] = random.choice((bytes, random.randbytes))(len(data[run]))
    return bytes(data)


def forged(random, honest, highest):
    """A number that a header may claim: often the honest one."""
    return honest if random.random() < 0.6 else min(max(random.choice((honest - 1, honest + 1, 2 * honest, *WORDS, highest)), 0), highest)


def _exact(data):
    """The bytes in a block of just this size, so that reading past them is seen."""
    return np.frombuffer(data, np.uint8).copy()


class Target:
    """name, `seeds`: the valid inputs, and `refusals`: the errors that may come out of damaged ones."""

    refusals = gw.CorruptMessage

    def pick(self, random):
        return random.choice(self.seeds), random.choice(self.seeds)


class Keys(Target):
    def __init__(self, spec):
        self.name, self.coder = spec, gw.keys(spec)
        self.seeds = [(bytes(self.coder.encode(keys, dim)), len(keys), dim) for keys, dim in parts.accepted_key_sets(self.coder).values()]

    def damaged(self, random):
        (payload, nnz, dim), other = self.pick(random)
        dim = max(1, forged(random, dim, inputs.HUGE))
        return mutate(random, payload, other[0]), min(dim, forged(random, nnz, inputs.HUGE)), dim

    def decode(self, damaged):
        payload, nnz, dim = damaged
        keys = self.coder.decode(_exact(payload), nnz, dim)
        assert keys.dtype == np.uint32 and len(keys) == nnz, f"{len(keys)} keys of {keys.dtype} instead of {nnz}"
        gw.Gradient(np.zeros(nnz, np.float32), dim, keys)
        return keys.tobytes(), nnz


class Values(Target):
    def __init__(self, spec):
        self.name, self.coder = spec, gw.values(spec)
        gradients = [inputs.gradients()[name] for name in NAMES]
        self.seeds = [(bytes(self.coder.encode(g.values, g.keys, STEP)), g.keys, g.nnz) for g in gradients]

    def damaged(self, random):
        (payload, keys, nnz), other = self.pick(random)
        if keys is None or random.random() < 0.2:
            keys, nnz = None, forged(random, nnz, inputs.HUGE)
        return mutate(random, payload, other[0]), keys, nnz

    def decode(self, damaged):
        payload, keys, nnz = damaged
        payload = _exact(payload)
        self.coder.tables_nbytes(payload, nnz)
        values = self.coder.decode(payload, keys, STEP, nnz)
        assert values.dtype == np.float32 and len(values) == nnz, f"{len(values)} values of {values.dtype} instead of {nnz}"
        assert np.isfinite(values).all(), "NaN or infinity"
        return values.tobytes(), nnz


class Messages(Target):
    def __init__(self, spec):
        self.name, self.codec = spec, gw.codec(spec)
        gradients = [inputs.gradients()[name] for name in NAMES]
        self.seeds = [self.codec.encode(g, STEP) for g in gradients if accepts(self.codec, g)]

    def damaged(self, random):
        message, other = self.pick(random)
        way = random.random()
        if way < 0.05:
            return mutate(random, bytes(message), bytes(other))
        if way < 0.4:
            return resealed(mutate(random, bytes(message), bytes(other)))
        sections = dict(message.sections)
        for name in random.sample(sorted(sections), random.randint(0, len(sections))):
            sections[name] = mutate(random, sections[name], other.sections.get(name, b""))
        if random.random() < 0.05:
            sections.update(other.sections) if random.random() < 0.5 else sections.popitem()
        dim = max(1, forged(random, message.dim, inputs.HUGE))
        dense = message.is_dense ^ (random.random() < 0.03)
        nnz = dim if dense and random.random() < 0.9 else forged(random, message.nnz, inputs.HUGE)
        packed = gw.Message.pack(dim=dim, nnz=nnz, spec_hash=message.spec_hash, sections=sections, is_dense=dense)
        return bytes(packed)

    def decode(self, damaged):
        decoded = self.codec.decode(gw.Message.from_bytes(_exact(damaged)), STEP)
        gw.Gradient(decoded.values, decoded.dim, decoded.keys).check_finite(0)
        return decoded.values.tobytes() + (b"" if decoded.is_dense else decoded.keys.tobytes()), decoded.nnz


def resealed(data):
    """The bytes with the checksum that belongs to them (message.py), so that what comes after it is reached."""
    if len(data) < HEADER:
        return data
    digest = xxhash.xxh3_64(data[:CHECKSUM_AT])
    digest.update(data[HEADER:])
    return data[:CHECKSUM_AT] + struct.pack("<Q", digest.intdigest()) + data[HEADER:]


class Sketches(Target):
    def __init__(self, spec):
        self.name, self.spec, rng = spec, spec, np.random.default_rng(3)
        streams = ([], [1.5], rng.normal(size=300), np.ones(5000), rng.lognormal(0, 3, 20_000), -np.arange(900.0))
        self.seeds = [bytes(gw.sketch(spec).update(stream)) for stream in streams]

    def damaged(self, random):
        return mutate(random, *self.pick(random))

    def decode(self, damaged):
        read = type(gw.sketch(self.spec)).from_bytes(_exact(damaged))
        stored = len(read)
        sketches.use(read)
        try:
            gw.sketch(self.spec).update([0.5]).merge(read)
        except gw.IncompatibleError:  # its parameters were damaged
            pass
        return bytes(read.update([1.0, -1.0])), stored


def _conformance():
    """The configurations that the conformance tests run, by base class."""
    path = Path(__file__).parent / "codecs" / "test_conformance.py"
    specification = importlib.util.spec_from_file_location("conformance", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.SPECS


def _sparsified():
    """Every sparsifier with every key coder and every value coder, once each with the others in turn."""
    sparsifiers = _conformance()[gw.Sparsifier]
    keys, values = gw.names("keys"), gw.names("values")
    most = max(len(sparsifiers), len(keys), len(values))
    turns = itertools.islice(zip(*map(itertools.cycle, (sparsifiers, keys, values))), 2 * most)
    return [f"{sparsifier}+{key}+{value}" for sparsifier, key, value in turns]


FAMILIES = {
    "keys": (Keys, lambda: _conformance()[gw.KeyCoder]),
    "values": (Values, lambda: _conformance()[gw.ValueCoder]),
    "codecs": (Messages, lambda: _conformance()[gw.Codec]),
    "sparsified": (Messages, _sparsified),
    "sketches": (Sketches, lambda: _conformance()[gw.Sketch]),
}

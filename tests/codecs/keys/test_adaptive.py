"""adaptive: it is the smallest of its candidates, names its choice, and decodes nothing but its candidates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire
from gradwire.codecs.keys.adaptive import Adaptive, _head
from gradwire.spec import names

TOP = 1 << 32
SPECS = ["adaptive", 'adaptive(candidates="raw+byteflag(lengths=124)+bitflag(flag_bits=2, widths=optimal)")']


def head(name):
    text = bytes([len(name)]) + name.encode()
    return text + bytes(-len(text) % 8)


def candidates(coder):
    parts = coder.candidates.split("+") if coder.candidates else [name for name in names("keys") if name != "adaptive"]
    return [gradwire.keys(part) for part in parts]


@pytest.mark.parametrize("spec", SPECS)
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_is_the_smallest_candidate_behind_its_name(spec, key_sets, data):
    keys, dim = data.draw(key_sets)
    coder = gradwire.keys(spec)
    payload = bytes(coder.encode(keys, dim))
    every = [head(c.spec) + bytes(c.encode(keys, dim)) for c in candidates(coder) if c.name != "bitmap" or dim < 1 << 20]
    assert payload == min(every, key=len)
    assert coder.estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(coder.decode(payload, len(keys), dim), keys)


@pytest.mark.parametrize("spec", SPECS)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_hostile_bytes(spec, key_sets, attack, data):
    attack(gradwire.keys(spec), *data.draw(key_sets), seed=data.draw(st.integers(0, 1000)))


def test_follows_the_keys():
    """The choice stands in the payload."""
    rng = np.random.default_rng(1)
    few = np.array([7, TOP // 2, TOP - 9], np.uint32)
    scattered = np.sort(rng.choice(1 << 20, 3000, replace=False)).astype(np.uint32)
    run = np.arange(9, 70_000, dtype=np.uint32)
    half = np.flatnonzero(rng.random(5000) < 0.5).astype(np.uint32)
    periodic = np.arange(0, 30_000, 3, dtype=np.uint32)
    for keys, dim, name in (
        (few, TOP, "raw"),
        (scattered, TOP, "partitioned"),
        (run, TOP, "rle"),
        (half, 5000, "bitmap"),
        (periodic, TOP, "deflate"),
    ):
        coder = Adaptive("raw+byteflag+bitflag+partitioned+bitmap+rle+deflate")
        assert bytes(coder.encode(keys, dim)).startswith(head(name)), name


@pytest.mark.parametrize("name", ["adaptive", "byteflag", "raw(x=1)", "unheard-of", "", "bitflag(flag_bits=3)"])
def test_decodes_only_its_candidates(name):
    keys = np.array([5], np.uint32)
    coder = Adaptive("raw+bitflag")
    assert coder.decode(head("raw") + keys.tobytes(), 1, 10).tolist() == [5]
    with pytest.raises(gradwire.CorruptMessage, match="raw, bitflag"):
        coder.decode(head(name) + keys.tobytes(), 1, 10)


def test_padding_must_be_zero():
    with pytest.raises(gradwire.CorruptMessage, match="name of a key coder"):
        Adaptive().decode(b"\x03raw\0\0\0\1" + bytes(4), 1, 10)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("raw+adaptive", "other key coders"),
        ("raw+bitflga", "did you mean 'bitflag'"),
        ("raw+bitflag(x=1)", "unknown argument"),
        ('byteflag(lengths="124")', "quotation"),
        (7, "expected candidates"),
    ],
)
def test_refuses_bad_candidates_at_once(text, match):
    with pytest.raises(gradwire.ConfigError, match=match):
        Adaptive(text)


def test_refuses_a_candidate_that_cannot_be_named():
    with pytest.raises(gradwire.ConfigError, match="255 ASCII"):
        _head("x" * 256)
    with pytest.raises(gradwire.ConfigError, match="255 ASCII"):
        _head("clé")


def test_spec_roundtrips():
    for spec in SPECS:
        assert gradwire.keys(gradwire.keys(spec).spec) == gradwire.keys(spec)

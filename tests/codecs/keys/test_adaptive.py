"""adaptive: it is the smallest of its candidates, names its choice, and decodes nothing but its candidates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradwire
from gradwire import testing
from gradwire.codecs.base import KeyCoder
from gradwire.codecs.keys.adaptive import Adaptive, _head
from gradwire.codecs.keys.deflate import Deflate
from gradwire.codecs.keys.gaps import GapStatistics
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


def large_key_sets():
    """Name → (keys, dim), tens of thousands of keys, so that slow candidates are judged by a sample."""
    rng, n, dim = np.random.default_rng(7), 40_000, 1 << 24

    def some(keys):
        return np.unique(np.asarray(keys, np.int64) % dim).astype(np.uint32)

    starts = rng.integers(0, dim, n // 150)
    popular = some(np.exp(rng.random(4 * n) * np.log(dim)) - 1)
    sets = {
        "uniform": some(rng.integers(0, dim, n)),
        "zipf": some(rng.choice(popular, min(n, len(popular)), replace=False)),
        "dense": np.arange(n, dtype=np.uint32),
        "all but a few": some(np.delete(np.arange(n), rng.integers(0, n, 50))),
        "runs": some((starts[:, None] + np.arange(150)).ravel()),
        "short runs": some((rng.integers(0, dim, n // 5)[:, None] + np.arange(5)).ravel()),
        "clustered": some((starts[:, None] + rng.integers(0, 2000, (len(starts), 150))).ravel()),
        "one field": some(rng.integers(0, 60_000, n)),
        "eleven fields": some((np.arange(11)[:, None] << 20) + rng.geometric(2.0 ** -np.arange(4, 15)[:, None], (11, n // 11))),
        "periodic": np.arange(0, 7 * n, 7, dtype=np.uint32),
        "a repeated row": some(np.tile([3, 1, 40, 7, 300, 2, 2], n // 7).cumsum()),
        "half of all": some(np.flatnonzero(rng.random(n) < 0.5)),
        "uniform, then a run": some(np.concatenate([rng.integers(0, dim // 2, n // 2), np.arange(n // 2) + dim // 2])),
        "a run, then zipf": some(np.concatenate([np.arange(n), rng.choice(popular, n // 4) + n])),
    }
    return {name: (keys, dim if name != "half of all" else n) for name, keys in sets.items()}


@pytest.mark.parametrize("name", large_key_sets())
def test_never_more_than_half_a_percent_above_the_best_single_coder(name):
    """Nor more than 3% above deflate, which is judged by a sample alone."""
    keys, dim = large_key_sets()[name]
    coder = gradwire.keys("adaptive")
    payload = bytes(coder.encode(keys, dim))
    sizes = {c.name: len(c.encode(keys, dim)) for c in candidates(coder)}
    chosen = payload[1 : 1 + payload[0]].decode()
    size = len(payload) - len(head(chosen))
    assert size <= 1.005 * min(sizes[other] for other in sizes if other != "deflate"), f"{chosen} of {sizes}"
    assert size <= 1.03 * sizes["deflate"], f"{chosen} of {sizes}"
    assert coder.estimate(keys, dim) == len(payload)
    np.testing.assert_array_equal(coder.decode(payload, len(keys), dim), keys)


@pytest.mark.parametrize("name", testing.key_sets())
def test_nor_on_the_conformance_suites_keys(name):
    keys, dim = testing.key_sets()[name]
    coder = gradwire.keys("adaptive")
    every = [len(c.encode(keys, dim)) for c in candidates(coder) if c.name != "bitmap" or dim < 1 << 30]
    assert len(coder.encode(keys, dim)) <= 1.005 * min(every) + 16


@pytest.mark.parametrize("name", ["dense", "runs", "all but a few"])
def test_runs_cost_well_under_one_bit_a_key(name):
    keys, dim = large_key_sets()[name]
    assert 8 * len(gradwire.keys("adaptive").encode(keys, dim)) < 0.4 * len(keys)
    assert 8 * len(gradwire.keys("partitioned").encode(keys, dim)) < 0.6 * len(keys)


class Plain(KeyCoder):
    """What the author of a plug-in writes first: encode alone, and it counts."""

    name, summary, paper, calls = "plain", "", "", 0

    @property
    def spec(self):
        return "plain"

    def encode(self, keys, dim):
        type(self).calls += 1
        return b"7"


def test_a_plugin_without_estimates_is_encoded_once():
    coder = Adaptive("raw+bitflag")
    coder.__dict__["_coders"] = (*Adaptive("raw")._coders, (_head("plain"), Plain()))
    Plain.calls = 0
    assert bytes(coder.encode(np.arange(100, dtype=np.uint32), 100)) == head("plain") + b"7"
    assert Plain.calls == 1


def test_slow_candidates_are_asked_only_where_a_sample_gives_hope(monkeypatch):
    asked = []
    encode = Deflate.encode
    monkeypatch.setattr(Deflate, "encode", lambda self, keys, dim: asked.append(len(keys)) or encode(self, keys, dim))
    keys, dim = large_key_sets()["half of all"]
    Adaptive("bitmap+deflate").encode(keys, dim)
    assert asked == [2048]
    keys, dim = large_key_sets()["periodic"]
    Adaptive("bitmap+deflate").encode(keys, dim)
    assert asked == [2048, 2048, len(keys)]


def test_the_sample_is_made_of_the_keys_gaps():
    keys, dim = large_key_sets()["zipf"]
    sample = GapStatistics(keys, dim).sample
    gaps, taken = np.diff(keys), np.diff(sample.keys, prepend=np.uint32(0))
    taken[0] += 1
    assert len(taken) == 2048 and sample.dim == sample.keys[-1] + 1
    for stretch in taken.reshape(8, 256):
        assert any(np.array_equal(stretch, gaps[at : at + 256]) for at in np.flatnonzero(gaps[:-255] == stretch[0]))
    assert GapStatistics(keys[:4095], dim).sample is None

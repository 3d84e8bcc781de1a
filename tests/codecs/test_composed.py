import numpy as np
import pytest

import gradwire as gw
from gradwire import testing
from gradwire.codecs.composed import Composed

STEP = gw.Step(index=1, seed=2, rank=0)


def gradient(name="heavy tail"):
    return testing.gradients()[name]


def test_the_filter_of_logquant_drops_pairs_before_keys_are_coded():
    g = gradient()
    codec = gw.codec("bitflag+logquant(tau=16)")
    message = codec.encode(g, STEP)
    kept = gw.values("logquant(tau=16)").select(g.values, STEP)
    assert 0 < message.nnz == kept.sum() < g.nnz
    assert np.array_equal(codec.decode(message, STEP).keys, g.keys[kept])


def test_omega_of_a_composition():
    class Random(gw.Sparsifier):
        name, unbiased = "random", True

        def omega(self, dim):
            return 3.0

    composed = Composed(Random(), gw.keys("raw"), gw.values("natural"))
    assert composed.omega(100) == pytest.approx(3 * 0.125 + 3 + 0.125)
    assert composed.unbiased
    assert gw.codec("topk+natural").omega(100) is None
    assert not gw.codec("topk+natural").unbiased
    assert gw.codec("natural").omega(100) == 0.125


@pytest.mark.parametrize("spec", ["natural", "fp16", "bf16", "quantile", "raw+natural"])
def test_a_dense_gradient_without_sparsifier_has_no_keys(spec):
    message = gw.codec(spec).encode(gradient("dense"), STEP)
    assert message.is_dense
    assert "keys" not in message.sections


def test_tables_are_a_section_of_their_own():
    message = gw.codec("nonzero+raw+quantile").encode(gradient(), STEP)
    assert set(message.sections) == {"keys", "tables", "values"}


def test_sketchml_codes_keys_group_by_group():
    g = gradient("gaussian")
    codec = gw.codec("sketchml")
    message = codec.encode(g, STEP)
    head = message.section("keys")[:4].view("<u4")
    assert 2 <= head[0] <= 8
    decoded = codec.decode(message, STEP)
    assert np.array_equal(decoded.keys, g.keys)
    assert (np.sign(decoded.values) == np.sign(g.values)).all()


def test_none_refuses_to_densify_a_huge_sparse_gradient_unless_forced():
    g = gw.Gradient([1.0], 2**26 + 1, [5])
    with pytest.raises(gw.IncompatibleError, match="adam-sparse"):
        gw.codec("none").encode(g, STEP)
    message = gw.codec("none(force=true)").encode(g, STEP)
    assert message.nbytes == 48 + 4 * (2**26 + 2)


def test_uncompressed_sizes():
    g = gradient()
    padded = -(-g.nnz * 4 // 8) * 8
    assert gw.codec("none").encode(g, STEP).split_nbytes()["values"] == 4 * g.dim
    assert gw.codec("adam-sparse").encode(g, STEP).split_nbytes() == {"header": 56, "keys": padded, "values": padded, "tables": 0}
    assert gw.codec("fp16").encode(g, STEP).split_nbytes()["values"] == -(-g.nnz * 2 // 8) * 8


def test_decode_add_wants_the_right_dim():
    message = gw.codec("fp16").encode(gradient(), STEP)
    with pytest.raises(gw.CorruptMessage, match="dim 7"):
        gw.codec("fp16").decode_add(message, np.zeros(7, np.float32), 1.0, STEP)


def test_a_key_in_two_groups_is_corrupt():
    codec = gw.codec("nonzero+raw+minmax")
    g = gradient("gaussian")
    message = codec.encode(g, STEP)
    keys = message.section("keys").copy()
    count = int(keys[:4].view("<u4")[0])
    first, second = 8 + 8 * count, 8 + 8 * count + (int(keys[12:16].view("<u4")[0]) + 7) // 8 * 8
    keys[second : second + 4] = keys[first : first + 4]
    damaged = gw.Message.pack(dim=g.dim, nnz=message.nnz, spec_hash=message.spec_hash, sections=message.sections | {"keys": keys})
    with pytest.raises(gw.CorruptMessage, match="two groups"):
        codec.decode(damaged, STEP)

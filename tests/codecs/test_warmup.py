"""Deep Gradient Compression's warm-up: 25%, 6.3%, 1.6%, 0.4%, then 0.1%."""

from dataclasses import dataclass

import pytest

import gradwire as gw
from gradwire.codecs.composed import Preset
from gradwire.codecs.warmup import at_epoch


@pytest.mark.parametrize("name", ["topk", "sampled_topk", "randomk"])
def test_the_paper_s_sequence(name):
    codec = gw.codec(f"{name}(ratio=0.001)+natural")
    warm = [at_epoch(codec, epoch, 4) for epoch in range(6)]
    assert [round(100 * each.sparsifier.ratio, 1) for each in warm] == [25.1, 6.3, 1.6, 0.4, 0.1, 0.1]
    assert warm[4] is codec and warm[5] is codec
    assert all((each.keys, each.values) == (codec.keys, codec.values) for each in warm)


def test_other_fields_and_a_ratio_of_one_stay():
    codec = gw.codec("randomk(ratio=0.25, shared=true, scale=none)+fp16")
    first = at_epoch(codec, 0, 1)
    assert first.sparsifier == gw.codec("randomk(ratio=0.5, shared=true, scale=none)").sparsifier
    assert first.shares_keys and first.summable == codec.summable
    assert at_epoch(gw.codec("topk(ratio=1.0)"), 0, 3).sparsifier.ratio == 1.0


def test_each_epoch_has_messages_of_its_own():
    codec = gw.codec("topk(ratio=0.01)")
    warm, g = at_epoch(codec, 0, 1), gw.Gradient([3.0, 2.0, 1.0, -4.0], 100, [1, 5, 7, 9])
    message = warm.encode(g, gw.Step())
    assert warm.decode(message, gw.Step()).keys.tolist() == [9]
    with pytest.raises(gw.CorruptMessage):
        codec.decode(message, gw.Step())


@pytest.mark.parametrize("spec", ["none", "natural", "fastsgd", "topk(k=3)", "nonzero+raw", "threshold(t=0.1)"])
def test_what_has_no_ratio_is_refused(spec):
    with pytest.raises(
        gw.ConfigError,
        match=r"sparsifier's ratio \(topk, sampled_topk, randomk\), got " + gw.codec(spec).spec.partition("(")[0].replace("+", r"\+"),
    ):
        at_epoch(gw.codec(spec), 5, 2)
    assert at_epoch(gw.codec(spec), 0, 0) is not None


def test_a_preset_with_a_ratio_warms_up():
    @dataclass(frozen=True)
    class Ten(Preset):
        name = "ten"

        def compose(self):
            return gw.codec("topk(ratio=0.01)+natural")

    assert at_epoch(Ten(), 0, 1).sparsifier.ratio == pytest.approx(0.1)
    assert at_epoch(Ten(), 1, 1) == Ten()

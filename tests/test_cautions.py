"""What a run says before it starts, and what it need not say."""

import pytest

from gradwire import config
from gradwire.cautions import cautions

FEEDBACK = "codec.error_feedback=true"


@pytest.fixture
def said(tmp_path):
    """said(uplink, *overrides) → the cautions of that run."""
    path = tmp_path / "trial.toml"
    path.write_text('[data]\nname = "synthetic-kdd10"\n[run]\nepochs = 3\n')

    def said(uplink, *overrides):
        (run,) = config.load(path, overrides, codec=uplink).runs()
        return list(cautions(run, 10_000, 120))

    return said


def test_a_codec_that_needs_error_feedback(said):
    (text,) = said("onebit")
    assert text == "onebit is meant for error feedback; set codec.error_feedback = true"
    assert said("onebit", FEEDBACK) == said("natural") == said("none") == []


def test_a_collective_that_needs_error_feedback(said):
    for name, *options in (("powersgd",), ("hierarchical", "collective.between=powersgd")):
        options = [f"collective.name={name}", *options]
        (text,) = said("none", *options)
        assert text == f"{name + '(between=powersgd)' * bool(options[1:])} is meant for error feedback; set codec.error_feedback = true"
        assert said("none", *options, FEEDBACK) == []


def test_error_feedback_around_a_codec_that_does_not_shrink(said):
    """Unbiased with omega ≥ 1: the residual may grow without bound."""
    (text,) = said("randomk(ratio=0.1)+fp32", FEEDBACK)
    assert "unbiased with omega = 9: from 1 on, what error feedback keeps may grow without bound" in text
    assert said("randomk(ratio=0.1, scale=none)+fp32", FEEDBACK) == said("natural", FEEDBACK) == []


def test_momentum_correction_is_for_sgd(said):
    momentum = (FEEDBACK, "codec.momentum=0.9")
    (text,) = said("topk", *momentum)
    assert text.startswith("codec.momentum is meant for plain SGD (Deep Gradient Compression); adam will")
    assert said("topk", *momentum, "optimizer.name=sgd") == said("topk", *momentum, "run.local_steps=2") == []


def test_masking_stops_the_momentum_of_what_is_always_sent(said):
    momentum = (FEEDBACK, "codec.momentum=0.9", "optimizer.name=sgd")
    (text,) = said("natural", *momentum)
    assert text.startswith("natural has no sparsifier: momentum stops") and "codec.momentum_masking = false" in text
    assert said("natural", *momentum, "codec.momentum_masking=false") == []


def test_a_warm_up_that_never_ends(said):
    (text,) = said("topk(ratio=0.001)", FEEDBACK, "codec.warmup_epochs=3")
    assert "after 3 epochs of warm-up, the run has 3" in text
    assert said("topk(ratio=0.001)", FEEDBACK, "codec.warmup_epochs=2") == []


def test_more_local_steps_than_an_epoch_has(said):
    (text,) = said("natural", "run.local_steps=121")
    assert text == "run.local_steps = 121, but an epoch has 120 steps and ends with an exchange"
    assert said("natural", "run.local_steps=120") == []

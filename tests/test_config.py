"""Configuration: what a file expands to, what `load` refuses and with which words, run_id, and the TOML round trip."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradwire import ConfigError, IncompatibleError, config
from gradwire.blocks import Block
from gradwire.settings import parse_override

pytestmark = pytest.mark.usefixtures("toys")

TOY = """
[data]
name = "toy"
source = "nowhere"
[model]
name = "toy"
[optimizer]
name = "toy"
[codec]
uplink = "adam-sparse"
[run]
epochs = 3
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """write(text, name) → path of a new experiment file in an otherwise empty current folder."""
    monkeypatch.chdir(tmp_path)

    def write(text=TOY, name="toys.toml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def one(*arguments, **options):
    (run,) = config.load(*arguments, **options).runs()
    return run


def error_of(*arguments, **options):
    with pytest.raises(ConfigError) as caught:
        config.load(*arguments, **options)
    return str(caught.value)


# What a file means


def test_defaults(write):
    run = one(write())
    assert run.experiment == "toys"
    assert run.data == {
        "name": "toy",
        "options": {"source": "nowhere", "rows": 100, "folder": None, "layout": "frequency", "shuffled": False},
    }
    assert run.collective["name"] == "gather_bcast"
    assert (run.uplink, run.downlink, run.error_feedback) == ("adam-sparse", "same", False)
    assert (run.epochs, run.batch_size, run.batch_ratio, run.seed, run.repeat) == (3, 1000, None, 0, 0)
    assert (run.vnmse_samples, run.checkpoint_every) == (8, 1)
    assert [type(built).__name__ for built in (run.dataset(), run.build_model(), run.build_optimizer(), run.build_collective())] == [
        "ToyData",
        "ToyModel",
        "ToyOptimizer",
        "GatherBcast",
    ]


def test_options_reach_the_plugin_with_its_types(write):
    run = one(write(), ["optimizer.lr=[1, 0.5]", "data.folder=here", "data.shuffled=true"])
    assert run.build_optimizer().lr == (1.0, 0.5)
    assert run.dataset().folder == Path("here")
    assert run.dataset().shuffled is True


def test_a_plugin_that_is_no_dataclass(write):
    path = write()
    assert one(path, ["optimizer.name=plain", "optimizer.lr=2"]).build_optimizer().lr == 2
    assert "plain: unknown argument 'lrr'" in error_of(path, ["optimizer.name=plain", "optimizer.lrr=2"])


def test_a_plugin_whose_annotations_cannot_be_read(write):
    path = write()
    assert one(path, ["optimizer.name=untyped", "optimizer.lr=2"]).build_optimizer().lr == 2
    assert "unknown key 'optimizer.lrr' (did you mean 'optimizer.lr'?)" in error_of(path, ["optimizer.name=untyped", "optimizer.lrr=2"])


def test_batch_ratio_replaces_the_default_batch_size(write):
    run = one(write(TOY + "batch_ratio = 0.1"))
    assert (run.batch_size, run.batch_ratio) == (None, 0.1)


@pytest.mark.parametrize(
    ("setting", "rows", "size", "batch", "steps"),
    [
        ("batch_size=10", 100, 4, 10, 3),
        ("batch_size=10", 101, 4, 10, 3),
        ("batch_ratio=0.1", 101, 4, 3, 9),
        ("batch_ratio=0.001", 8, 4, 1, 2),
    ],
)
def test_steps_per_epoch(write, setting, rows, size, batch, steps):
    run = one(write(), [f"run.{setting}"])
    assert (run.rows_per_step(rows, size), run.steps_per_epoch(rows, size)) == (batch, steps)


def test_specifications_are_spelled_out(write):
    run = one(write(), ["codec.uplink=raw", "codec.downlink=adam-sparse"], codec="nonzero+raw")
    assert (run.uplink, run.downlink) == ("nonzero+raw+fp32", "adam-sparse")


@pytest.mark.parametrize(
    ("table", "uplink", "expected"),
    [
        ("true", "fastsgd", True),
        ("{ fastsgd = true }", "fastsgd", True),
        ("{ fastsgd = true }", "adam-sparse", False),
        ('{ "nonzero+raw" = true }', "nonzero+raw+fp32", True),
        ("{ natural = true }", "nonzero+raw+fp32", False),
    ],
)
def test_error_feedback_per_codec(write, table, uplink, expected):
    assert one(write(), [f"codec.error_feedback={table}"], codec=uplink).error_feedback is expected


def test_error_feedback_of_a_name_holds_for_its_variants_unless_they_are_named(write, monkeypatch):
    monkeypatch.setattr(config, "_codec_spec", lambda where, text: text)
    assert config._of_codec("error_feedback", {"zipml": True}, "zipml(bits=16)") is True
    assert config._of_codec("error_feedback", {"zipml": True, "zipml(bits=16)": False}, "zipml(bits=16)") is False
    assert [config._of_codec(key, {}, "zipml") for key in ("error_feedback", "momentum", "clip_norm", "warmup_epochs")] == [
        False,
        0.0,
        0.0,
        0,
    ]


DGC = "[codec]\nuplink = 'topk(ratio=0.001)'\nerror_feedback = true\n"


def test_momentum_and_warm_up(write):
    text = TOY.replace('[codec]\nuplink = "adam-sparse"\n', DGC + "momentum = 0.9\nclip_norm = 2\nwarmup_epochs = 4\n")
    run = one(write(text))
    assert (run.momentum, run.momentum_masking, run.clip_norm, run.warmup_epochs) == (0.9, True, 2.0, 4)
    ratios = [run.codecs_at(epoch, ())[0].sparsifier.ratio for epoch in range(6)]
    assert ratios == pytest.approx([0.2512, 0.0631, 0.01585, 0.00398, 0.001, 0.001], rel=1e-3)
    assert one(write(text), ["codec.momentum_masking=false"]).momentum_masking is False
    assert one(write(run.toml(), "toys.toml")) == run


def test_momentum_and_warm_up_of_some_codecs_of_a_sweep(write):
    table = (
        "error_feedback = { topk = true }\nmomentum = { topk = 0.9 }\nclip_norm = { topk = 0.5 }\nwarmup_epochs = { topk = 2 }\n[sweep]\n"
    )
    text = TOY.replace('uplink = "adam-sparse"\n', table + 'codec.uplink = ["none", "topk(ratio=0.1)", "topk(ratio=0.2)"]\n')
    found = [(run.error_feedback, run.momentum, run.clip_norm, run.warmup_epochs) for run in config.load(write(text)).runs()]
    assert found == [(False, 0.0, 0.0, 0), (True, 0.9, 0.5, 2), (True, 0.9, 0.5, 2)]


def test_options_that_do_nothing_leave_the_run_id_as_it_was(write):
    """These digests are of the time before there were such options."""
    path = write(
        "[data]\nname = 'toy'\nsource = 'x'\n[model]\nname = 'toy'\n[run]\nepochs = 1\n[optimizer]\nname = 'sgd'\n[codec]\nuplink = 'topk'\n"
    )
    nothing = [
        "codec.momentum=0",
        "codec.momentum_masking=false",
        "codec.clip_norm=0",
        "codec.warmup_epochs=0",
        "run.local_steps=1",
        "optimizer.warmup_epochs=0",
    ]
    assert one(path).run_id == one(path, nothing).run_id == "topk-adaptive-fp32-73b7d530-r0"
    feedback = "codec.error_feedback=true"
    options = ["codec.momentum=0.9", "codec.warmup_epochs=1", "run.local_steps=2", "optimizer.warmup_epochs=1", "codec.clip_norm=0.5"]
    assert len({one(path, [feedback, option]).run_id for option in ["run.seed=0", *options]}) == 6
    tables = [tomllib.loads(one(path, [feedback, option]).toml()) for option in options]
    assert [tables[0]["codec"]["momentum"], tables[1]["codec"]["warmup_epochs"]] == [0.9, 1]
    assert [tables[2]["run"]["local_steps"], tables[3]["optimizer"]["warmup_epochs"], tables[4]["codec"]["clip_norm"]] == [2, 1, 0.5]
    assert one(path, ["optimizer.warmup_epochs=1"]).build_optimizer().warmup_epochs == 1


# Sweeps and repeats


def test_sweep_is_a_product_in_file_order(write):
    text = TOY + '[sweep]\n"codec.uplink" = ["none", "adam-sparse"]\nmodel.l2 = [0.0, 1.0]\n'
    assert [(run.uplink, run.model["options"]["l2"]) for run in config.load(write(text)).runs()] == [
        ("none", 0.0),
        ("none", 1.0),
        ("adam-sparse", 0.0),
        ("adam-sparse", 1.0),
    ]


def test_sweep_values_may_be_lists_and_tables(write):
    text = TOY + "[sweep]\noptimizer.lr = [0.1, [0.2, 0.1]]\ncodec.error_feedback = [{ adam-sparse = true }, false]\n"
    runs = config.load(write(text)).runs()
    assert [(run.optimizer["options"]["lr"], run.error_feedback) for run in runs] == [
        (0.1, True),
        (0.1, False),
        ((0.2, 0.1), True),
        ((0.2, 0.1), False),
    ]


def test_nested_and_dotted_sweeps_are_the_same(write):
    dotted = config.load(write(TOY + '[sweep]\n"run.seed" = [1, 2]')).runs()
    nested = config.load(write(TOY + "[sweep.run]\nseed = [1, 2]")).runs()
    assert dotted == nested and [run.seed for run in nested] == [1, 2]


CASES = """
[[case]]
codec.uplink = "none"
collective.name = "allreduce"
[[case]]
codec.uplink = "natural"
codec.error_feedback = true
[sweep]
optimizer.lr = [0.1, 0.2]
"""


def cases_of(path, *overrides, codec=None):
    runs = config.load(path, overrides, codec=codec).runs()
    return [(run.uplink, run.collective["name"], run.error_feedback, run.optimizer["options"]["lr"]) for run in runs]


def test_cases_are_settings_that_go_together(write):
    path = write(TOY + CASES)
    plain = [("none", "allreduce", False, lr) for lr in (0.1, 0.2)]
    natural = [("natural", "gather_bcast", True, lr) for lr in (0.1, 0.2)]
    assert cases_of(path) == plain + natural
    assert cases_of(path, "optimizer.lr=0.5") == [(*case[:3], 0.5) for case in (plain[0], natural[0])]
    assert cases_of(path, "collective.name=allgather") == [(run[0], "allgather", *run[2:]) for run in plain + natural]
    assert cases_of(path, codec="bf16") == [("bf16", "gather_bcast", False, lr) for lr in (0.1, 0.2)]


def test_cases_that_an_override_makes_the_same_are_one(write):
    text = TOY + '[[case]]\ncollective.name = "allreduce"\n[[case]]\ncollective.name = "allgather"\n'
    assert len(config.load(write(text)).runs()) == 2
    assert [run.collective["name"] for run in config.load(write(text), ["collective.name=allgather"]).runs()] == ["allgather"]


def test_bad_cases(write):
    for text, error in (
        ("[[case]]\nrun.seed = 1\n[sweep]\nrun.seed = [2]", r"run.seed: expected it in \[\[case\]\] or in \[sweep\], got both"),
        ("[[case]]\nseed = 1", "case: expected section.key, got 'seed'"),
        ("[case]\nrun.seed = 1", r"case: expected tables, each \[\[case\]\], got"),
        ("[[case]]\nrun.sead = 1", "unknown key 'run.sead'"),
    ):
        with pytest.raises(ConfigError, match=error):
            config.load(write(TOY + text))


def test_granularity_and_what_it_needs(write):
    run = config.load(write(TOY), ["codec.granularity=tensor", "codec.uncompressed_below=9"], codec="natural").runs()[0]
    assert (run.granularity, run.uncompressed_below) == ("tensor", 9)
    assert config.load(write(run.toml())).runs()[0].run_id == run.run_id
    codec, downlink = run.codecs_at(0, (Block("a", 0, (10,)), Block("b", 10, (5,))))
    assert codec.spec == "natural in blocks" and downlink is None
    with pytest.raises(IncompatibleError, match="reduce_scatter cuts gradients into parts"):
        config.load(write(TOY), ["codec.granularity=layer", "collective.name=reduce_scatter"], codec="natural").runs()[0].check(2)
    with pytest.raises(IncompatibleError, match="expected a codec that can code blocks apart"):
        config.load(write(TOY), ["codec.granularity=layer"], codec="intsgd").runs()[0].check(2)
    with pytest.raises(ConfigError, match='uncompressed_below: expected codec.granularity = "layer" or "tensor" beside it, got "flat"'):
        config.load(write(TOY), ["codec.uncompressed_below=9"])
    with pytest.raises(ConfigError, match="codec.granularity: expected one of flat, layer, tensor, got 'row'"):
        config.load(write(TOY), ["codec.granularity=row"])
    with pytest.raises(ConfigError, match='run.divergence: expected "error" or "record", got \'ignore\''):
        config.load(write(TOY), ["run.divergence=ignore"])


def test_repeats_differ_in_seed_and_come_after_the_sweep(write):
    text = TOY + 'repeats = 2\nseed = 5\n[sweep]\ncodec.uplink = ["none", "adam-sparse"]'
    runs = config.load(write(text)).runs()
    assert [(run.uplink, run.repeat, run.seed) for run in runs] == [
        ("none", 0, 5),
        ("adam-sparse", 0, 5),
        ("none", 1, 6),
        ("adam-sparse", 1, 6),
    ]
    assert [run.run_id[:-1] for run in runs[:2]] == [run.run_id[:-1] for run in runs[2:]]


def test_one_repeat_alone(write):
    path = write(TOY + "repeats = 4\nseed = 5")
    assert one(path, ["run.repeat=3"]) == config.load(path).runs()[3]


# --set and --codec


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("run.epochs=4", ("run", "epochs"), 4),
        ("run.epochs = 4 ", ("run", "epochs"), 4),
        ("optimizer.lr=1e-3", ("optimizer", "lr"), 1e-3),
        ("optimizer.lr=[0.1, 0.2]", ("optimizer", "lr"), [0.1, 0.2]),
        ("codec.uplink=topk(ratio=0.01)+natural", ("codec", "uplink"), "topk(ratio=0.01)+natural"),
        ('codec.uplink="none"', ("codec", "uplink"), "none"),
        ("codec.error_feedback=true", ("codec", "error_feedback"), True),
        ("data.train=/some/file.txt", ("data", "train"), "/some/file.txt"),
        ('codec.error_feedback."topk(ratio=0.01)"=true', ("codec", "error_feedback", "topk(ratio=0.01)"), True),
    ],
)
def test_overrides_are_toml_or_a_bare_word(text, path, value):
    assert parse_override(text) == (path, value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run.epochs", "expected key=value, got 'run.epochs'"),
        ("run epochs=3", "expected key=value"),
        ("run.epochs=", "expected one TOML value|expected a TOML value"),
        ("run.epochs=1\ny=2", "expected one TOML value, got '1\\\\ny=2'"),
        ("optimizer.lr=[0.1,", re.escape("expected a TOML value or a bare word, got '[0.1,'")),
    ],
)
def test_wrong_overrides(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_override(text)


def test_set_wins_over_the_file_and_over_a_sweep(write):
    path = write(TOY + '[sweep]\ncodec.uplink = ["none", "fp16"]\nrun.seed = [1, 2]')
    assert [run.epochs for run in config.load(path, ["run.epochs=9"]).runs()] == [9] * 4
    assert [(run.uplink, run.seed) for run in config.load(path, ["run.seed=7"]).runs()] == [("none", 7), ("fp16", 7)]
    assert [run.uplink for run in config.load(path, ["run.seed=7", 'sweep.codec.uplink=["bf16"]']).runs()] == ["bf16"]
    assert [run.uplink for run in config.load(path, ['sweep."codec.uplink"=["bf16"]', "run.seed=1"]).runs()] == ["bf16"]


def test_codec_replaces_the_uplink_and_its_sweep(write):
    path = write(TOY + '[sweep]\ncodec.uplink = ["none", "fp16"]\nrun.seed = [1, 2]')
    assert [(run.uplink, run.seed) for run in config.load(path, codec="bf16").runs()] == [("bf16", 1), ("bf16", 2)]


def test_set_replaces_the_other_one_of_two_exclusive_keys(write):
    path = write(TOY + "batch_size = 10\n[sweep]\nrun.repeats = [1]\n")
    run = one(path, ["run.batch_ratio=0.5", "run.repeat=2"])
    assert (run.batch_size, run.batch_ratio, run.repeat) == (None, 0.5, 2)


# Errors: each names the file, section.key, what was expected and what came


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 3", "epochs = 0", "run.epochs: expected an integer ≥ 1, got 0"),
        ("epochs = 3", 'epochs = "ten"', "run.epochs: expected an integer ≥ 1, got 'ten'"),
        ("epochs = 3", "epochs = 3.0", "run.epochs: expected an integer ≥ 1, got 3.0"),
        ("epochs = 3", "epochs = true", "run.epochs: expected an integer ≥ 1, got True"),
        ("epochs = 3", "", "run.epochs: expected an integer ≥ 1, got nothing"),
        ("epochs = 3", "epoch = 3", "unknown key 'run.epoch' (did you mean 'run.epochs'?); known: run.batch_ratio, "),
        ("epochs = 3", "epochs = 3\nbatch_size = 1\nbatch_ratio = 0.1", "expected one of run.batch_size and run.batch_ratio, got both"),
        ("epochs = 3", "epochs = 3\nrepeats = 1\nrepeat = 0", "expected one of run.repeats and run.repeat, got both"),
        ("epochs = 3", "epochs = 3\nbatch_ratio = 1.5", "run.batch_ratio: expected a number in (0, 1] (share of one rank's rows), got 1.5"),
        ("epochs = 3", "epochs = 3\nbatch_ratio = nan", "run.batch_ratio: expected a number in (0, 1] (share of one rank's rows), got nan"),
        ("epochs = 3", "epochs = 3\nseed = -1", "run.seed: expected an integer ≥ 0, got -1"),
        ("epochs = 3", "epochs = 3\nseed = 2024-01-01", "run.seed: expected an integer ≥ 0, got datetime.date(2024, 1, 1)"),
        ("[model]", "[modle]", "unknown section 'modle' (did you mean 'model'?); known: case, codec, collective, data, model, optimizer, run, sweep"),
        ('"adam-sparse"', "3", "codec.uplink: expected a string, got 3"),
        ('"adam-sparse"', '"adam-spares"', "codec.uplink: unknown codec or part 'adam-spares' (did you mean 'adam-sparse'?)"),
        ('"adam-sparse"', '"adam-sparse"\ndownlink = "nno"', "codec.downlink: unknown codec or part 'nno'"),
        ('"adam-sparse"', '"none(x=1)"', "codec.uplink: none: unknown argument 'x'"),
        ('"adam-sparse"', '"none"\nerror_feedback = 1', "codec.error_feedback: expected true, false, or a table of codec = true or false, got 1"),
        ('"adam-sparse"', '"none"\nerror_feedback = { none = 1 }', "codec.error_feedback: expected true, false, or a table of"),
        ('"adam-sparse"', '"none"\nerror_feedback = { nnoe = true }', "codec.error_feedback: unknown codec or part 'nnoe' (did you mean 'none'?)"),
        ('"adam-sparse"', '"topk"\nmomentum = 0.9', "codec.momentum: expected error feedback for topk+adaptive+fp32, whose"),
        ('"adam-sparse"', '"none"\nerror_feedback = { topk = true }\nmomentum = 0.9', "codec.momentum: expected error feedback for none, whose residual"),
        ('"adam-sparse"', '"topk"\nerror_feedback = true\nmomentum = 1', "codec.momentum: expected a number in [0, 1), or a table of codec = number, got 1"),
        ('"adam-sparse"', '"topk"\nerror_feedback = true\nmomentum = -0.1', "codec.momentum: expected a number in [0, 1)"),
        ('"adam-sparse"', '"topk"\nclip_norm = 1', "codec.clip_norm: expected error feedback for topk+adaptive+fp32, before whose"),
        ('"adam-sparse"', '"topk"\nerror_feedback = true\nclip_norm = -1', "codec.clip_norm: expected a number ≥ 0, or a table of codec = number, got -1"),
        ('"adam-sparse"', '"topk"\nerror_feedback = true\nclip_norm = inf', "codec.clip_norm: expected a number ≥ 0, or a table of codec = number, got inf"),
        ('"adam-sparse"', '"topk"\nmomentum_masking = 1', "codec.momentum_masking: expected true or false, got 1"),
        ('"adam-sparse"', '"none"\nwarmup_epochs = -1', "codec.warmup_epochs: expected an integer ≥ 0, or a table of codec = integer, got -1"),
        ('"adam-sparse"', '"none"\nwarmup_epochs = 2', "codec.warmup_epochs: expected a codec that begins with a sparsifier's ratio (topk, sampled_topk, randomk), got none"),
        ('"adam-sparse"', '"topk(k=9)"\nwarmup_epochs = 2', "codec.warmup_epochs: expected a codec that begins with a sparsifier's ratio (topk, sampled_topk, randomk), got topk(k=9)"),
        ("epochs = 3", "epochs = 3\nlocal_steps = 0", "run.local_steps: expected an integer ≥ 1 (steps per exchange), got 0"),
        ('source = "nowhere"', "source = 1", "data.source: expected a string, got 1"),
        ('source = "nowhere"', "", "data.source: expected a string, got nothing"),
        ('source = "nowhere"', 'source = "x"\nrow = 5', "unknown key 'data.row' (did you mean 'data.rows'?); known: data.folder, data.layout, data.name"),
        ('source = "nowhere"', 'source = "x"\nrows = 2.5', "data.rows: expected an integer, got 2.5"),
        ('source = "nowhere"', 'source = "x"\nlayout = "sorted"', "data.layout: expected Literal['frequency', 'hashed'], got 'sorted'"),
        ('source = "nowhere"', 'source = "x"\nshuffled = 1', "data.shuffled: expected true or false, got 1"),
        ('name = "toy"\nsource', 'name = "tyo"\nsource', "data.name: unknown datasets 'tyo' (did you mean 'toy'?)"),
        ('name = "toy"\nsource', "name = 1\nsource", "data.name: expected a string, got 1"),
        ('[model]\nname = "toy"', '[model]\nname = "toy"\nl2 = -1', "model: toy: expected l2 ≥ 0, got -1.0"),
        ('[model]\nname = "toy"', '[model]\nname = "toy"\nl2 = "big"', "model.l2: expected a number, got 'big'"),
        ('[model]\nname = "toy"', '[model]\nname = "broken"', "model.name: 'broken' cannot be imported: No module named 'gradwire_toys_that_is_not_there'"),
        ('[optimizer]\nname = "toy"', '[optimizer]\nname = "toy"\nlr = "fast"', "optimizer.lr: expected float | tuple[float, ...], got 'fast'"),
        ('[optimizer]\nname = "toy"', '[optimizer]\nname = toy', "not valid TOML: "),
        ("epochs = 3", "epochs = 3\n[sweep]\nrun.seed = 1", "sweep.run.seed: expected a list of values, got 1"),
        ("epochs = 3", "epochs = 3\n[sweep]\nrun.seed = []", "sweep.run.seed: expected at least one value, got an empty list"),
        ("epochs = 3", "epochs = 3\n[sweep]\nrun.sead = [1]", "unknown key 'run.sead' (did you mean 'run.seed'?)"),
        ("epochs = 3", "epochs = 3\n[sweep]\nruns.seed = [1]", "unknown section 'runs' (did you mean 'run'?)"),
        ("epochs = 3", "epochs = 3\n[sweep]\nseed = [1]", "sweep.seed: expected section.key, got 'seed'"),
        ("epochs = 3", 'epochs = 3\n[sweep]\n"run.seed" = [1]\nrun.seed = [2]', "sweep.run.seed: is given twice"),
        ("epochs = 3", "epochs = 3\n[sweep]\nrun.epochs.x = [1]", "run.epochs: expected a table to set 'x' in, got 3"),
        ("epochs = 3", 'epochs = 3\n[sweep]\ncodec.uplink = ["raw+fp32", "raw"]', "sweep: two of its points are the same run, raw-fp32-"),
    ],
)  # fmt: skip
def test_every_mistake_is_named(write, old, new, message):
    path = write(TOY.replace(old, new, 1))
    text = error_of(path)
    assert text.startswith(f"{path}: ") and "\n" not in text
    assert message in text


def test_sections_that_are_no_tables(write):
    assert "run: expected a table, got 5" in error_of(write("run = 5"))
    assert "sweep: expected a table, got 5" in error_of(write("sweep = 5"))


def test_all_mistakes_of_a_section_are_listed(write):
    text = error_of(write(), ["run.epochs=0", "run.batch_size=0"])
    assert text.splitlines()[0].endswith("run.epochs: expected an integer ≥ 1, got 0")
    assert text.splitlines()[1].startswith("run.batch_size: expected an integer ≥ 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs=3", "expected section.key=value, got 'epochs=3'"),
        ("run.epochs.x=3", "run.epochs: expected a table to set 'x' in, got 3"),
        ("sweep.run.seed=3", "sweep.run.seed: expected a list of values, got 3"),
        ("sweep=[3]", "expected section.key=value"),
    ],
)
def test_wrong_overrides_of_a_file(write, text, message):
    assert message in error_of(write(), [text])


@pytest.mark.parametrize("key", ["error_feedback", "momentum", "clip_norm", "warmup_epochs"])
def test_an_entry_for_a_codec_that_does_not_run_is_refused(write, key):
    value = {"error_feedback": "true", "momentum": "0.9", "clip_norm": "1.5", "warmup_epochs": "2"}[key]
    path = write(TOY.replace('uplink = "adam-sparse"', f'uplink = "adam-sparse"\n{key} = {{ fastsgd = {value} }}'))
    assert error_of(path) == (f"{path}: codec.{key}: expected entries for codecs that run, got one for fastsgd; these run: adam-sparse")
    assert config.load(path, codec="natural").runs()[0].uplink == "natural"  # the file's table may be about its own codecs
    assert config.load(path, ['codec.uplink="natural"']).runs()


def test_two_entries_for_one_codec_are_refused(write):
    text = TOY.replace(
        'uplink = "adam-sparse"', 'uplink = "topk+natural"\nerror_feedback = { "topk+natural" = true, "topk(ratio=0.01)+natural" = false }'
    )
    assert "codec.error_feedback: expected one entry for topk+adaptive+natural, got two" in error_of(write(text))


def test_missing_files_name_their_neighbours(write):
    write(TOY, "experiments/quickstart.toml")
    write(TOY, "experiments/scaling.toml")
    assert "unknown experiment 'quickstrat' (did you mean 'quickstart'?); known: quickstart, scaling" in error_of("quickstrat")
    assert "did you mean 'scaling'" in error_of("experiments/scalin.toml")
    assert "known: quickstart, scaling" in error_of("elsewhere/deep/x.toml")


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "experiments").glob("*.toml")), ids=lambda path: path.stem)
def test_the_experiments_of_the_repository_are_legal_and_have_their_baselines(path):
    found = config.load(path).runs()
    for chosen in found:
        chosen.check(4)
    specs = {chosen.uplink for chosen in found}
    uncompressed = "none" if path.stem.startswith(("neural", "bidirectional")) else "adam-sparse"  # dense gradients or sparse ones
    assert specs & {"bf16", "fp16"} and (path.stem == "overlap" or uncompressed in specs)  # overlap compares slices, not codecs


def test_no_experiments_at_all(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert error_of("quickstart.toml") == "no file 'quickstart.toml'; none is known here"


def test_bare_names_are_found_in_experiments(write):
    write(TOY, "experiments/quickstart.toml")
    assert one("quickstart") == one("quickstart.toml") == one("experiments/quickstart.toml") == one("experiments/quickstart")


def test_unreadable_files(write, tmp_path):
    broken = write("[run\nepochs = 1")
    assert error_of(broken).startswith(f"{broken}: not valid TOML: ")
    (tmp_path / "latin.toml").write_bytes(b"[run]\n# caf\xe9")
    assert "latin.toml: not valid TOML" in error_of(tmp_path / "latin.toml")


def test_a_file_that_cannot_be_opened(write, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path = write()
    monkeypatch.setattr("gradwire.settings.open", refuse, raising=False)
    assert error_of(path) == f"{path}: cannot be read: Permission denied"


# Legality


def test_check_accepts_pairs_that_work(write):
    one(write()).check(4)
    one(write(), ["codec.downlink=none"]).check(4)


def test_check_names_pairs_that_work(write):
    with pytest.raises(IncompatibleError, match="pairs that work: .*adam-sparse with gather_bcast"):
        one(write(), ["collective.name=allreduce"]).check(4)
    with pytest.raises(IncompatibleError, match="has no downlink codec"):
        one(write(), ["collective.name=allgather", "codec.downlink=none"]).check(4)


# run_id and toml


def test_run_id_is_a_slug_a_hash_and_the_repeat(write):
    run = one(write(), ["run.repeat=2"], codec="nonzero+raw")
    assert re.fullmatch(r"nonzero-raw-fp32-[0-9a-f]{8}-r2", run.run_id)


def test_run_id_of_a_long_specification_is_a_short_file_name(write):
    run = replace(one(write()), uplink="topk(ratio=0.01)+" * 40)
    assert len(run.run_id) < 100 and re.fullmatch(r"[a-z0-9-]+", run.run_id)


def test_run_id_depends_on_every_setting_but_the_repeat(write):
    path = write()
    base = one(path)
    changed = [
        "run.epochs=4", "run.seed=1", "run.batch_size=7", "run.batch_ratio=0.5", "run.vnmse_samples=0", "run.checkpoint_every=0",
        "model.l2=0.5", "optimizer.lr=0.2", "data.rows=5", "collective.name=allgather", "codec.downlink=none", "codec.error_feedback=true",
    ]  # fmt: skip
    ids = {one(path, [text]).run_id for text in changed} | {base.run_id}
    assert len(ids) == len(changed) + 1
    assert one(path, ["run.repeat=1"]).run_id == base.run_id.removesuffix("r0") + "r1"


def test_run_id_does_not_depend_on_how_the_file_is_written(write):
    spelled = TOY.replace("epochs = 3", "batch_size = 1_000\nepochs = 3\nseed = 0") + "[collective]\nname = 'gather_bcast'\n"
    assert one(write()).run_id == one(write(spelled)).run_id == one(write(), ["model.l2=0"]).run_id


def test_toml_names_every_default(write):
    settings = tomllib.loads(one(write()).toml())
    assert settings["run"] == {"epochs": 3, "batch_size": 1000, "seed": 0, "repeat": 0, "vnmse_samples": 8, "checkpoint_every": 1}
    assert settings["optimizer"] == {"name": "toy", "lr": 0.1, "lr_decay": 1.0}
    assert "folder" not in settings["data"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    source=st.text(st.characters(exclude_categories=["Cs"])),
    rows=st.integers(-(2**63), 2**63 - 1),
    lr=st.floats() | st.lists(st.floats()).map(tuple),
    l2=st.floats(min_value=0),
    batch=st.integers(1, 2**31).map(lambda n: {"batch_size": n, "batch_ratio": None})
    | st.floats(0, 1, exclude_min=True).map(lambda x: {"batch_size": None, "batch_ratio": x}),
    seed=st.integers(0, 2**63 - 1),
    repeat=st.integers(0, 5),
    feedback=st.booleans(),
    uplink=st.sampled_from(["none", "adam-sparse", "nonzero+raw+fp32"]),
)
def test_load_reads_toml_back(write, source, rows, lr, l2, batch, seed, repeat, feedback, uplink):
    run = replace(
        one(write()),
        data={"name": "toy", "options": {"source": source, "rows": rows, "folder": None, "layout": "hashed", "shuffled": True}},
        model={"name": "toy", "options": {"l2": l2}},
        optimizer={"name": "toy", "options": {"lr": lr, "lr_decay": 1.0}},
        error_feedback=feedback,
        uplink=uplink,
        repeat=repeat,
        seed=seed + repeat,
        **batch,
    )
    again = one(write(run.toml()))
    assert repr(again) == repr(run)  # repr, because nan is not equal to itself
    assert (again.run_id, again.toml()) == (run.run_id, run.toml())


def test_ranks_of_the_launch_are_part_of_the_run(write, tmp_path):
    four = one(write(), ranks=4)
    assert four.ranks == 4 and four.settings()["run"]["ranks"] == 4
    (tmp_path / "again.toml").write_text(four.toml())
    assert one(tmp_path / "again.toml").ranks == 4
    assert "run.ranks: expected a launch on 4 ranks, got 2" in error_of(tmp_path / "again.toml", ranks=2)


def test_error_feedback_is_found_by_the_names_of_a_composition(write):
    text = (
        TOY
        + """[codec]
uplink = "topk(ratio=0.001)+natural"
error_feedback = { "topk+natural" = true, natural = false }
"""
    )
    assert one(write(text.replace('[codec]\nuplink = "adam-sparse"\n', "", 1))).error_feedback


@pytest.mark.parametrize(
    "text",
    ["x = " + "[" * 5000, "x = " + "{a = " * 5000, "x = " + "9" * 5000, "a." * 200 + "b = 1", "x = " + "[" * 40 + "]" * 40, "# " + "x" * 2**20],
    ids=["lists", "tables", "digits", "dots", "levels", "bytes"],
)  # fmt: skip
def test_files_that_nobody_would_write_are_refused(tmp_path, text):
    path = tmp_path / "endless.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="endless.toml: (not valid TOML|expected a file of at most 1048576 bytes)"):
        config.load(path)


@pytest.mark.parametrize("text", ["=" * 20_000, '"a' + "=" * 9000, "run.seed=" + "[" * 5000, "a." * 400 + "b=1"])
def test_overrides_that_nobody_would_write_are_refused(text):
    from gradwire import settings

    with pytest.raises(ConfigError):
        settings.override({}, {}, [], text)


def test_a_sweep_of_more_runs_than_anybody_waits_for():
    from gradwire import settings

    with pytest.raises(ConfigError, match="sweep: expected at most 100000 runs, got 1000000"):
        next(settings.expand({}, {("run", str(i)): list(range(100)) for i in range(3)}))

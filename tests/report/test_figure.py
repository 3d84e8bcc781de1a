"""The figure: what its panels hold, that it is the same bytes every time, and that labels do not overlap."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from gradwire.report import figure, style
from gradwire.report.load import collect
from gradwire.report.measures import measure


@pytest.fixture
def draw(stored, tmp_path):
    def made(runs):
        stored(runs, tmp_path)
        collection = collect(tmp_path, "quickstart")
        return figure.draw(collection, [measure(group) for group in collection.groups])

    return made


def curve(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def test_curves_are_loss_against_time_and_bytes(make_run, draw):
    run = make_run("natural", epochs=3)
    time, volume, _ = draw([run]).axes
    assert np.allclose(curve(time, "natural").get_xdata(), np.cumsum(run.epochs["epoch_time_s"].max(axis=1)))
    assert np.allclose(curve(time, "natural").get_ydata(), run.epochs["test_loss"])
    both = run.epochs["uplink_bytes"] + run.epochs["downlink_bytes"]
    assert np.allclose(curve(volume, "natural").get_xdata(), np.cumsum(both.mean(axis=1)))
    assert volume.get_xscale() == "log"


def test_repeats_are_a_median_and_faint_lines(make_run, draw):
    runs = [make_run("natural", seed=seed, epochs=epochs) for seed, epochs in enumerate((4, 4, 4))]
    time = draw(runs).axes[0]
    assert len(time.lines) == 4
    assert np.allclose(curve(time, "natural").get_ydata(), np.median([run.epochs["test_loss"] for run in runs], axis=0))


def test_bars_are_bytes_per_epoch_up_and_down(make_run, draw):
    run = make_run("natural")
    bars = draw([run]).axes[2]
    assert [patch.get_width() for patch in bars.patches] == [run.epochs[f"{way}link_bytes"][1:].mean() for way in ("up", "down")]
    assert bars.get_xscale() == "linear"


def test_sizes_far_apart_have_a_log_axis(eight, draw):
    assert draw(eight).axes[2].get_xscale() == "log"


@pytest.mark.parametrize("low, high", [(1.1e5, 2.5e6), (1.1e5, 9e5), (1.2e5, 9.9e6), (2e5, 3e8)])
def test_a_log_axis_of_bytes_has_two_ticks_or_more(low, high):
    axes = Figure().subplots()
    axes.set(xscale="log", xlim=(low, high))
    figure._bytes_axis(axes, log=True)
    ticks = axes.xaxis.get_majorticklocs()
    assert ((low <= ticks) & (ticks <= high)).sum() >= 2


def test_a_codec_that_diverges_does_not_flatten_the_others(make_run, draw):
    runs = [make_run("none"), make_run("fp16"), make_run("natural")]
    runs[2].epochs["test_loss"] = np.array([1.0, 10, 100, 1000, np.inf])
    assert draw(runs).axes[0].get_yscale() == "log"


def test_a_run_that_sent_nothing_can_be_drawn(make_run, draw):
    run = make_run("natural")
    for name in run.epochs:
        if name.endswith("link_bytes"):
            run.epochs[name] = 0 * run.epochs[name]
    draw([run]).canvas.draw()


def test_no_two_tick_labels_and_no_two_bar_labels_overlap(eight, make_run, draw):
    drawn = draw([*eight, make_run("topk(ratio=0.01)+bitflag+natural", seed=9, key_bytes=0.01, value_bytes=0.02)])
    drawn.canvas.draw()
    bars = drawn.axes[2]
    for texts in (bars.get_yticklabels(), bars.texts, bars.get_xticklabels(), drawn.axes[1].get_xticklabels()):
        boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
        assert not [(a, b) for i, (a, box) in enumerate(boxes) for b, other in boxes[:i] if box.overlaps(other)]
    inside = drawn.bbox
    assert all(inside.contains(*text.get_window_extent().max) for text in bars.texts)


def test_the_caption_says_units_n_and_ranks(eight, draw):
    text = draw(eight).get_supxlabel().replace("\n", " ")
    for part in ("4 ranks on 2 cores", "measured on local", "5 epochs (1 warm-up)", "1 run per row", "mean over ranks"):
        assert part in text


def test_equal_runs_give_equal_files(eight, draw, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        figure.save(draw(eight), tmp_path / folder / "f.v1")
    for name in ("f.v1.png", "f.v1.pdf"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert b"CreationDate" not in (tmp_path / "a" / "f.v1.pdf").read_bytes()


def test_a_codec_looks_the_same_in_every_figure():
    assert style.looks(["none", "natural"])["natural"] == style.looks(["natural, ranks=2", "fastsgd"])["natural, ranks=2"]
    assert style.looks(["topk+natural"]) == style.looks(["topk+natural"])


def test_baselines_are_black_or_grey():
    for look in style.BASELINES.values():
        assert len({look.color[1:3], look.color[3:5], look.color[5:7]}) == 1


def test_all_looks_differ():
    labels = ["none", "natural", "natural +EF", *(f"topk(ratio={i})+natural" for i in range(14))]
    assert len(set(style.looks(labels).values())) == len(labels)


def test_more_rows_than_looks_still_have_one_each():
    assert len(style.looks([f"topk(ratio={i})" for i in range(40)])) == 40


def test_each_family_has_panels_of_its_own_and_a_codec_one_look(make_run, draw):
    models = [(spec, model) for model in ("logistic", "svm") for spec in ("adam-sparse", "natural")]
    runs = [make_run(spec, seed=seed, config={"model": {"name": model}}) for seed, (spec, model) in enumerate(models)]
    drawn = draw(runs)
    first, second = drawn.axes[0], drawn.axes[3]
    assert len(drawn.axes) == 6
    assert [axes.get_title(loc="left").split(" on ")[0] for axes in (first, second)] == ["logistic", "svm"]
    assert curve(first, "natural").get_color() == curve(second, "natural").get_color()
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["adam-sparse", "natural"]
    drawn.canvas.draw()
    titles = [axes._left_title.get_window_extent() for axes in drawn.axes]
    assert not any(one.overlaps(other) for i, one in enumerate(titles) for other in titles[:i])

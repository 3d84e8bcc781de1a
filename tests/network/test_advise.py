"""Break-evens against both sides of every crossing, choices, what runs can be compared, and the described job."""

import csv
import io
import itertools

import numpy as np
import pytest

from gradwire import ConfigError
from gradwire.network import advise, described
from gradwire.network.breakeven import Advice, Option, faster_between
from gradwire.network.costs import Cost
from gradwire.network.link import Link
from gradwire.network.profile import of_run
from gradwire.network.units import duration_s, rate_bps
from gradwire.report import advise as report


def line(label, fixed_s, link_bytes, baseline="", late=(), **known):
    return Option(label, label, baseline, link_bytes, np.nan, 0.0, 0.0, fixed_s, Cost(0.0, link_bytes, late), **known)


def advice(*options, rate=1e9):
    return Advice.of("job", "advise", "gather_bcast", 4, Link.of_rate(rate), options, [], "nothing")


def test_crossings_are_exact_on_both_sides():
    rng = np.random.default_rng(0)
    lines = [line(str(i), 10.0 ** rng.uniform(-4, -1), 10.0 ** rng.uniform(3, 8)) for i in range(40)]
    crossings = 0
    for one, other in itertools.permutations(lines, 2):
        span = faster_between(one, other)
        low, high = span or (np.inf, 0.0)
        for rate in (1e3, *(edge * (1 + e) for edge in (low, high) if 0 < edge < np.inf for e in (-1e-9, 1e-9)), 1e14):
            crossings += 1e3 < rate < 1e14
            assert (one.step_s(rate) < other.step_s(rate)) == (low < rate < high)
        if span is None:
            assert faster_between(other, one) == (0, np.inf)
    assert crossings > 500


def test_crossings_are_exact_where_lines_bend():
    rng = np.random.default_rng(1)
    sizes = [10.0 ** rng.uniform(3, 8) for _ in range(30)]
    lines = [line(str(i), 10.0 ** rng.uniform(-4, -1), size, late=((1, size / 3),)) for i, size in enumerate(sizes)]
    rates = np.geomspace(1e4, 1e13, 400)
    for one, other in itertools.permutations(lines, 2):
        low, high = faster_between(one, other) or (np.inf, 0.0)
        faster = [rate for rate in rates if one.step_s(rate) < other.step_s(rate)]
        assert [rate for rate in rates if low < rate < high] == faster[: sum(low < rate < high for rate in faster)]
        assert bool(faster) == any(low < rate < high for rate in rates)


def test_a_bend_moves_the_crossing():
    """2 ms of a late message of 100 kB are queued: from 50 MB/s down, it costs another 10 ns · 100 kB per 10 ns of β, less 2 ms."""
    codec, base = line("codec", 5e-3, 10_000), line("base", 1e-3, 100_000, late=((1, 100_000),))
    low, high = faster_between(codec, base)
    assert low == 0
    assert Link.of_rate(high).beta == pytest.approx((5e-3 - 1e-3 + 2e-3) / (200_000 - 10_000))


def test_the_four_answers_worked_out_by_hand():
    base = line("base", 1e-3, 125_000)
    beta = 1e-3 / 100_000  # 1 ms more work, 100 kB less
    assert faster_between(line("small", 2e-3, 25_000), base) == (0, pytest.approx(Link(0, beta).rate_bps))
    assert faster_between(base, line("small", 2e-3, 25_000)) == (pytest.approx(Link(0, beta).rate_bps), np.inf)
    assert faster_between(line("better", 1e-3, 25_000), base) == (0, np.inf)
    assert faster_between(line("worse", 2e-3, 125_000), base) is None
    assert faster_between(line("quicker", 0.5e-3, 125_000), base) == (0, np.inf)
    assert faster_between(base, base) is None


def test_a_codec_must_beat_every_baseline_of_a_kind():
    dense, sparse = line("none", 1e-3, 900_000, "uncompressed"), line("adam-sparse", 2e-3, 100_000, "uncompressed")
    codec = line("codec", 2.5e-3, 40_000)
    found = advice(dense, sparse, codec)
    assert found.beats(codec, "uncompressed") == (0, min(faster_between(codec, other)[1] for other in (dense, sparse)))
    assert found.beats(codec, "16-bit") is None
    between = line("between", 1.5e-3, 200_000)  # less work than sparse, fewer bytes than dense
    low, high = found.beats(between, "uncompressed")
    assert low == faster_between(between, sparse)[0] > 0
    assert high == faster_between(between, dense)[1] < np.inf
    assert found.beats(line("worst", 3e-3, 10**6), "uncompressed") is None


def test_what_differs_by_noise_is_even():
    half = line("bf16", 1e-3, 50_000, "16-bit")
    found = advice(half, line("zipml", 1.01e-3, 50_050), line("codec", 2e-3, 10_000))
    assert report.verdict(found, found.option("zipml"), "16-bit") == "even"
    assert report.verdict(found, found.option("codec"), "16-bit").startswith("below ")
    assert report.verdict(found, half, "16-bit") == "–"


def test_the_fastest_is_chosen_unless_something_simpler_is_as_good():
    dense, half = line("none", 1e-3, 900_000, "uncompressed"), line("bf16", 1.1e-3, 450_000, "16-bit")
    codec = line("natural", 2e-3, 100_000)
    assert advice(dense, half, codec, rate=1e8).choice.label == "natural"
    assert advice(dense, half, codec, rate=1e10).choice.label == "bf16"
    assert advice(dense, half, codec, rate=1e12).choice.label == "none"
    assert "no codec is predicted to be more than 5% faster" in report.recommendation(advice(dense, half, codec, rate=1e12))


def test_a_codec_that_diverged_is_passed_over(make_run, stored):
    """NaN in the file of a run is a loss that was worse, not one that nobody knows."""
    runs = [make_run("none", nbytes=900_000), make_run("natural", nbytes=9_000, loss=np.nan)]
    (found,) = advise.of_runs(stored(runs))
    assert found.options[0].spec == "natural" and found.choice.spec == "none"


def test_a_codec_whose_loss_was_worse_is_passed_over():
    options = [line("none", 1e-3, 900_000, "uncompressed", test_loss=0.40), line("topk", 1e-3, 9_000, test_loss=0.45, vnmse=0.9)]
    options.append(line("natural", 1e-3, 200_000, test_loss=0.4001))
    found = advice(*options, rate=1e8)
    assert found.choice.label == "natural"
    said = report.recommendation(found)
    assert "; topk would be faster, but at a worse test loss" in said
    assert "its test loss was 0.4001, that of none 0.4000" in said
    only = report.recommendation(advice(*options[:2], rate=1e8))
    assert "take none" in only
    assert only.endswith("no other codec is predicted to be more than 5% faster; topk would be, but at a worse test loss.")


def eight(make_run, **options):
    sizes = {"none": 920_000, "bf16": 76_000, "adam-sparse": 101_000, "natural": 24_000}
    work = {"none": 0.1e-3, "bf16": 0.1e-3, "adam-sparse": 0.1e-3, "natural": 2e-3}
    return [
        make_run(
            spec,
            nbytes=size,
            work={"encode": work[spec]},
            **options,
            **({"growth": 0, "nnz": 10**6} if spec == "none" else {"growth": 0.7}),
        )
        for spec, size in sizes.items()
    ]


def test_recorded_runs_are_compared(make_run, stored):
    (found,) = advise.of_runs(stored(eight(make_run)))
    assert (found.ranks, found.collective, found.uncompressed, found.sixteen) == (4, "gather_bcast", "adam-sparse", "bf16")
    assert found.rate_bps == pytest.approx(1e8)
    assert found.link.alpha == pytest.approx(1e-4, rel=1e-3)  # fitted: four sizes
    assert found.choice.label == "natural"
    run = eight(make_run)[3]
    assert found.option("natural").step_s(1e8) == pytest.approx(of_run(run).step_s(), rel=1e-3)
    assert any(note.startswith("Fitted to the runs: 100 ± 0 µs") for note in found.notes)


def test_lines_that_give_less_than_their_rate_are_noticed(make_run, stored):
    runs = eight(make_run)
    for run in runs:
        run.environment["link_rate_bps"] = 1.25e8
    (found,) = advise.of_runs(stored(runs), rate=1e9, latency=2e-4)
    nominal = of_run(runs[1]).cost().link_bytes
    assert found.option("bf16").cost.link_bytes == pytest.approx(1.25 * nominal, rel=1e-3)
    assert found.link.alpha == 2e-4
    assert any("1.25 times" in note and "--latency replaces" in note for note in found.notes)


def test_local_runs_take_a_latency_and_a_rate_which_is_said(make_run, stored):
    (found,) = advise.of_runs(stored(eight(make_run, network="local")), ranks=8)
    assert found.rate_bps == pytest.approx(1e9)
    assert found.ranks == 8
    assert [note.partition(":")[0] for note in found.notes] == ["No rate was given and the runs know none", "Latency"]


def test_fits_that_say_too_little_are_not_used(make_run, stored):
    runs = eight(make_run)
    for factor, run in zip((0.2, 9, 0.3, 7), runs):
        run.epochs["epoch_time_s"] = run.epochs["epoch_time_s"] * factor
    (found,) = advise.of_runs(stored(runs))
    assert found.link.alpha == advise.LATENCY_S
    (found,) = advise.of_runs(stored(runs), latency=3e-4)
    assert found.link.alpha == 3e-4


def test_repeats_are_one_row_with_their_median(make_run, stored):
    runs = eight(make_run)
    for i, factor in enumerate((1.0, 3.0)):
        again = make_run("natural", nbytes=24_000 * int(factor), growth=0.7, work={"encode": 2e-3}, config={"run": {"seed": i + 1}})
        object.__setattr__(again, "path", again.path.with_name(f"again{i}.h5"))
        runs.append(again)
    (found,) = advise.of_runs(stored(runs))
    assert [option.label for option in found.options].count("natural") == 1
    assert found.option("natural").up == 24_000


def test_jobs_are_kept_apart(make_run, stored):
    found = advise.of_runs(stored([*eight(make_run), *eight(make_run, ranks=2)]))
    assert [(each.ranks, len(each.options)) for each in sorted(found, key=lambda each: each.ranks)] == [(2, 4), (4, 4)]


def test_a_missing_baseline_is_flagged(make_run, stored):
    (found,) = advise.of_runs(stored(eight(make_run)[3:]))
    assert sum(note.startswith("FLAG") for note in found.notes) == 2
    assert "with no baseline to compare" in report.recommendation(found)
    assert [row["speedup"] for row in csv.DictReader(io.StringIO(report.as_csv([found])))] == [""]
    assert report.verdict(found, found.options[0], "16-bit") == "–"


def test_pairs_that_do_not_work_are_left_out_with_the_reason(make_run, stored):
    (found,) = advise.of_runs(stored(eight(make_run)), collective="allreduce", rate=1e9, latency=0.0)
    assert [option.label for option in found.options] == ["none"]
    assert any("bf16: allreduce sends other messages than the gather_bcast of the run" in note for note in found.notes)
    assert any(note.startswith("Left out: collective allreduce accepts") for note in found.notes)


def test_runs_of_powersgd_are_no_baseline_and_left_out_of_other_collectives(make_run, stored):
    paths = stored([make_run("none", collective="powersgd", growth=0.0)])
    (found,) = advise.of_runs(paths, rate=1e9, latency=0.0)
    assert [(option.label, option.baseline) for option in found.options] == [("powersgd", "")]
    assert any("expected an uncompressed row" in note for note in found.notes)
    with pytest.raises(ConfigError, match="Left out: none: allreduce does not send what powersgd has sent"):
        advise.of_runs(paths, collective="allreduce", rate=1e9)
    with pytest.raises(ConfigError, match="powersgd does not send codecs' messages"):
        described.profiles(10**5, 100, 4, "powersgd")


def test_another_collective_has_its_caveat(make_run, stored):
    (found,) = advise.of_runs(stored(eight(make_run)), collective="allgather")
    assert (found.collective, len(found.options)) == ("allgather", 4)
    assert any(note.startswith("Work is what the runs spent per entry with gather_bcast") for note in found.notes)


def test_nothing_to_compare_is_an_error(make_run, stored):
    with pytest.raises(ConfigError, match="nothing to compare"):
        advise.of_runs(stored(eight(make_run)[3:]), collective="allreduce")
    with pytest.raises(ConfigError, match="unknown collectives 'allgatherr'"):
        advise.of_runs(stored(eight(make_run)), collective="allgatherr")


def test_a_described_job_is_measured_here_and_now():
    profiles, vnmse, notes = described.profiles(10**6, 2_000, 4, "gather_bcast", 5e-3, ["adam-sparse", "bf16", "natural"], repeats=5)
    sparse, half, natural = profiles
    assert notes == []
    assert sparse.up == pytest.approx(8 * 2000, rel=0.1)
    assert half.up == pytest.approx(6 * 2000, rel=0.1)
    assert sparse.up < sparse.down < 4 * sparse.up
    assert vnmse[0] == 0
    assert 0.001 < vnmse[2] < 0.125
    assert all(each.compute == 5e-3 and each.encode > 0 and each.decode > 0 for each in profiles)
    found = advise.of_job(profiles, "job", rate=1e6, vnmse=vnmse)  # so slow that bytes decide
    assert found.choice.label == "natural"
    assert (found.uncompressed, found.sixteen) == ("adam-sparse", "bf16")
    assert natural.cost().link_bytes < half.cost().link_bytes


def test_the_union_of_more_ranks_than_are_drawn_goes_on_growing():
    few, many = (described.profiles(10**6, 2_000, ranks, "gather_bcast", 0.0, ["adam-sparse"], repeats=5)[0][0] for ranks in (8, 64))
    assert many.growth == pytest.approx(few.growth)
    assert many.down == pytest.approx(few.down * 8**few.growth, rel=1e-6)


def test_a_described_job_over_allreduce_is_dense():
    profiles, _, notes = described.profiles(10**5, 2_000, 4, "allreduce", 0.0, ["none", "bf16", "natural"], repeats=5)
    assert [round(each.up / 1e5) for each in profiles] == [4, 2]
    assert len(notes) == 1
    assert "natural" in notes[0]


def test_described_jobs_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="1 … 10 nonzeros"):
        described.profiles(10, 11, 4, "gather_bcast")
    with pytest.raises(ConfigError, match="no codec can be measured"):
        described.profiles(10**5, 100, 4, "allreduce", codecs=["natural"])


@pytest.mark.parametrize(("text", "rate"), [("1gbit", 1e9), ("100mbit", 1e8), ("2.5Gbit", 2.5e9), (".5 kbit", 500), ("10tbit", 1e13)])
def test_rates(text, rate):
    assert rate_bps(text) == pytest.approx(rate)


@pytest.mark.parametrize(("text", "seconds"), [("50us", 5e-5), ("5ms", 5e-3), ("0s", 0), ("1.5s", 1.5), ("20ns", 2e-8)])
def test_durations(text, seconds):
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "fast", "1", "1gb", "-1gbit", "0gbit", "nan gbit"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ConfigError, match="expected a rate such as"):
        rate_bps(text)
    with pytest.raises(ConfigError, match="expected a time such as"):
        duration_s(text)


def test_files_hold_every_option_and_its_window(make_run, stored, tmp_path):
    found = advise.of_runs(stored([*eight(make_run), *eight(make_run, ranks=2), *eight(make_run, ranks=3)]))
    said = report.summarise(found, tmp_path)
    names = [tmp_path / folder / f"advise-truth.{kind}" for folder, kind in (("tables", "md"), ("tables", "csv"), ("figures", "png"))]
    assert all(path.stat().st_size > 500 for path in names)
    assert all(f"wrote {path}" in said for path in names)
    rows = list(csv.DictReader(io.StringIO(names[1].read_text())))
    assert len(rows) == 12
    natural = next(row for row in rows if row["label"] == "natural" and row["ranks"] == "4")
    four = next(each for each in found if each.ranks == 4)
    option = four.option("natural")
    assert float(natural["step_s"]) == pytest.approx(option.step_s(1e8))
    assert float(natural["beats_16-bit_below_bps"]) == pytest.approx(four.beats(option, "16-bit")[1])
    assert float(natural["speedup"]) == pytest.approx(four.option("adam-sparse").step_s(1e8) / option.step_s(1e8))
    assert natural["speedup_over"] == "adam-sparse"
    assert report.recommendation(found[0]) in names[0].read_text()


def test_the_figure_has_a_line_for_each_codec_and_marks_the_crossings(make_run, stored):
    (found,) = advise.of_runs(stored(eight(make_run)))
    (axes,) = report.draw([found]).axes
    lines = {each.get_label(): each for each in axes.lines}
    natural = lines["natural"]
    assert np.allclose(natural.get_ydata(), [1e3 * found.option("natural").step_s(rate) for rate in natural.get_xdata()])
    marks = sorted(float(each.get_xdata()[0]) for each in axes.lines if each.get_marker() == "o")
    option = found.option("natural")
    assert {found.beats(option, kind)[1] for kind in ("uncompressed", "16-bit")} <= set(marks)


def test_windows_in_words():
    assert report.window((0.0, np.inf)) == "always"
    assert report.window(None) == "never"
    assert report.window((0.0, 4.196e9)) == "below 4.2 Gbit/s"
    assert report.window((2e8, np.inf)) == "above 200 Mbit/s"
    assert report.window((1e6, 999.96e6)) == "1 Mbit/s to 1 Gbit/s"
    assert report.rate(12.0) == "12 bit/s"


def test_comparisons_are_a_table_with_their_median(make_run):
    from gradwire.network.model import predictions

    sources = [make_run(nbytes=size, spec=spec) for spec, size in (("natural", 24_000), ("none", 920_000))]
    targets = [make_run(nbytes=size, spec=spec, rate_bps=1e9) for spec, size in (("natural", 24_000), ("none", 920_000))]
    said = report.comparisons(predictions(sources, targets))
    assert "1 Gbit/s" in said
    assert "Median error 0.0%, largest 0.0%, 2 runs that were not fitted." in said


def test_an_advice_is_frozen():
    with pytest.raises(AttributeError):
        advice(line("none", 1, 1, "uncompressed")).ranks = 5
    assert isinstance(advice(line("none", 1, 1, "uncompressed")), Advice)

"""`gradwire bench codecs`: rows whose sizes and errors are known beforehand, tables and figure from the file alone."""

import csv
import re
import types

import numpy as np
import pytest

import gradwire as gw
from gradwire import bounds, cli
from gradwire.bench import codecs, inputs, peers, timing
from gradwire.report import codecs as report
from gradwire.report import rates


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(inputs, "synthetic", lambda *a, make=inputs.synthetic: make(*a, dim=100_000))


def only(rows, **wanted):
    (row,) = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return row


@pytest.fixture(scope="module")
def everything():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "synthetic", lambda *a, make=inputs.synthetic: make(*a, dim=100_000))
        return codecs.run(nnz=3000, repeats=5, with_peers=True)


def test_everything_registered_is_measured(everything):
    rows, notes = everything
    for kind in ("keys", "values", "sparsifiers", "sketches", "codecs"):
        assert {row["spec"] for row in rows if row["kind"] == kind} >= set(gw.names(kind))
    assert [note for note in notes if not note.startswith("peer ")] == []
    assert all(list(row) == list(report.COLUMNS) for row in rows)


def test_sizes_and_errors_are_what_is_known(everything):
    rows, _ = everything
    raw = only(rows, kind="keys", spec="raw", input="hash/lognormal")
    assert raw["bits"] == 32 and np.isclose(raw["bound_bits"], bounds.log2_binomial(100_000, 3000) / 3000, rtol=0.05)
    assert raw["rounds"] == 5 and raw["memcpy_m_per_s"] > 0 and np.isnan(raw["vnmse"])
    assert 0 < raw["encode_m_per_s_low"] <= raw["encode_m_per_s"] <= raw["encode_m_per_s_high"] and raw["decode_per_memcpy"] > 0
    exact = only(rows, kind="values", spec="fp32", input="dense/gaussian")
    assert (exact["bits"], exact["vnmse"], exact["cosine"], exact["bias"]) == (32, 0, pytest.approx(1), 0)
    natural = only(rows, kind="values", spec="natural", input="dense/gaussian")
    assert natural["bits"] == pytest.approx(9, abs=0.01) and natural["vnmse"] < natural["omega"] == 1 / 8
    assert natural["bias"] == pytest.approx(natural["bias_noise"], rel=0.1) and natural["bias_repeats"] == 16
    nearest = only(rows, kind="values", spec="natural(rounding=nearest)", input="dense/gaussian")
    assert nearest["bias_repeats"] == 1 and nearest["bias"] == pytest.approx(nearest["vnmse"] ** 0.5)
    pairs = only(rows, kind="codecs", spec="adam-sparse", input="zipf/gaussian")
    assert pairs["keys_bits"] == pairs["values_bits"] == pytest.approx(32, abs=0.1) and pairs["vnmse"] == 0
    assert pairs["bits"] == pytest.approx(sum(pairs[f"{part}_bits"] for part in ("keys", "values", "tables", "header")))
    top = only(rows, kind="sparsifiers", spec="topk(ratio=0.1)", input="dense/gaussian")
    assert top["kept"] == pytest.approx(0.1) and np.isnan(top["decode_m_per_s"])
    sketch = only(rows, kind="sketches", spec="kll", input="dense/gaussian")
    assert sketch["rank_error"] <= sketch["rank_error_claim"]
    assert only(rows, kind="sketches", spec="exact", input="dense/gaussian")["rank_error"] == 0


def test_peers_stand_beside(everything):
    rows, notes = everything
    beside = {(row["kind"], row["spec"]) for row in rows if row["peer"]}
    assert {("values", "numpy natural"), ("sparsifiers", "numpy argpartition, 1.0%"), ("keys", "pcodec level 8")} <= beside
    assert {("sketches", "datasketches KLL, k=200"), ("keys", "zstd level 3 of gaps"), ("values", "zstd level 3")} <= beside
    theirs = only(rows, spec="numpy natural", input="dense/gaussian")
    assert theirs["bits"] == pytest.approx(9, abs=0.01) and theirs["peer"].startswith("numpy ") and theirs["vnmse"] < 0.125
    lossless = [row for row in rows if row["spec"] in ("pcodec level 8", "zstd level 3") and row["kind"] == "values"]
    assert len(lossless) == 4 and all(row["vnmse"] == 0 for row in lossless)
    assert all(re.fullmatch(r"peer (pyfastpfor|torch): not installed; pip install \w+", note) for note in notes if note.startswith("peer "))


def test_peers_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setattr(peers, "_library", lambda name: None)
    assert peers.cases(inputs.dense("gaussian", 10, 1)) == []
    assert "peer torch: not installed; pip install torch" in peers.missing()


def test_pyfastpfor_and_torch_are_called_as_they_want(monkeypatch):
    """With stand-ins that have the same functions: both are heavy to install."""

    class Codec:
        def encodeArray(self, array, n, out, room):
            assert room >= n and array.dtype == out.dtype == np.uint32
            out[:n] = array
            return n

        def decodeArray(self, payload, size, out, n):
            out[:n] = payload

    def delta1(array, n):
        array[1:n] = np.diff(array[:n])

    def prefix_sum1(array, n):
        array[:n] = np.cumsum(array[:n], dtype=np.uint32)

    fastpfor = types.SimpleNamespace(getCodec=lambda name: Codec(), delta1=delta1, prefixSum1=prefix_sum1)

    class Tensor(np.ndarray):
        def to(self, dtype):
            return self.astype(dtype)

        def abs(self):
            return np.abs(self)

        def numpy(self):
            return np.asarray(self)

    torch = types.SimpleNamespace(
        set_num_threads=lambda n: None, float16=np.float16, float32=np.float32, from_numpy=lambda a: a.view(Tensor),
        topk=lambda a, k, sorted: (None, np.argsort(-a)[:k].view(Tensor)),
    )  # fmt: skip
    monkeypatch.setattr(peers, "_library", {"pyfastpfor": fastpfor, "torch": torch}.get)
    monkeypatch.setattr(peers, "version", lambda name: "1")
    sparse, dense = inputs.synthetic("hash", "gaussian", 500, 2), inputs.dense("gaussian", 500, 2)
    for case in peers.cases(sparse):
        assert case.kind == "keys" and np.array_equal(case.decode(1, case.encode(1)), sparse.gradients[1].keys)
        assert case.describe(1, case.encode(1)) == {"bits": 32}
    half, *tops = peers.cases(dense)
    assert half.describe(0, half.encode(0)) == {"bits": 16} and 0 < half.quality()["vnmse"] < 1e-6
    assert [case.describe(0, case.encode(0))["kept"] for case in tops] == [0.002, 0.01, 0.1]


def test_only_what_is_named_is_measured():
    rows, _ = codecs.run(["natural", "topk(ratio=0.1)+natural"], nnz=500, repeats=2)
    assert {(row["kind"], row["spec"]) for row in rows} == {
        ("values", "natural"),
        ("codecs", "natural"),
        ("codecs", "topk(ratio=0.1)+natural"),
    }


@pytest.mark.parametrize("spec", ["naturall", "natural(bitz=3)", "topk+naturall"])
def test_unknown_specifications_are_refused(spec):
    with pytest.raises(gw.ConfigError, match="unknown"):
        codecs.run([spec], nnz=100)


def test_a_refusal_becomes_a_note():
    big = inputs.Input("zipf/huge", [gw.Gradient(np.ones(2, np.float32), 2**32, np.array([3, 2**31], np.uint32))])
    patch = pytest.MonkeyPatch()
    patch.setattr(codecs, "_inputs", lambda *a: [big])
    with patch.context(), pytest.raises(gw.ConfigError, match="nothing to measure: none on zipf/huge: "):
        codecs.run(["none"])
    patch.undo()


def test_a_plugin_that_breaks_does_not_end_the_measurement(monkeypatch):
    def fail(text, given):
        raise ZeroDivisionError("as wanted")

    monkeypatch.setitem(codecs.MAKE, "values", fail)
    rows, notes = codecs.run(["natural"], nnz=100, repeats=1)
    assert {row["kind"] for row in rows} == {"codecs"}
    assert notes == [f"natural on dense/{values}: ZeroDivisionError: as wanted" for values in ("lognormal", "gaussian")]


def test_recorded_gradients_are_measured_as_one_input_per_epoch(tmp_path):
    rng = np.random.default_rng(0)
    keys = np.sort(rng.choice(1000, 60, replace=False))
    np.savez(tmp_path / "mine.npz", keys=keys, values=rng.normal(size=60), dim=1000)
    rows, _ = codecs.run(["bitflag", "natural", "fastsgd"], gradients=tmp_path / "mine.npz", repeats=2)
    assert {(row["kind"], row["input"]) for row in rows} == {(kind, "recorded") for kind in ("keys", "values", "codecs")}
    np.savez(tmp_path / "dense.npz", layer=rng.normal(size=60))
    with pytest.raises(gw.ConfigError, match="nothing to measure"):
        codecs.run(["bitflag"], gradients=tmp_path / "dense.npz")


def test_the_command_writes_file_tables_and_figure(tmp_path, capsys):
    specs = ["natural", "fp32", "topk(ratio=0.1)+fp32", "adam-sparse", "none"]
    assert cli.main(["bench", "codecs", *specs, "--nnz", "900", "--repeats", "2", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "Codecs (whole messages) on zipf/gaussian" in printed and "vNMSE" in printed and "; 2 rounds a row;" in printed
    (path,) = (tmp_path / "bench").glob("codecs-*.hdf5")
    attributes, rows = report.load(path)
    assert attributes["simd"] and attributes["git_commit"] and f"wrote {path}" in printed
    with open(tmp_path / "tables" / f"{path.stem}.csv") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(rows) and lines[0].keys() == report.COLUMNS.keys()
    assert float(lines[0]["bits"]) == pytest.approx(rows[0]["bits"])
    page = (tmp_path / "tables" / f"{path.stem}.md").read_text()
    assert "| fp32 |" in page and "max error" in page and "(range)" in page
    assert "- Inputs: zipf: ids drawn" in page and "hash:" not in page
    assert (tmp_path / "figures" / f"{path.stem}.png").stat().st_size > 10_000


def test_only_a_measurement_of_everything_is_named_codecs(everything, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(codecs, "run", lambda specs, **options: everything)
    assert cli.main(["bench", "codecs", "--results", str(tmp_path)]) == 0
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {"codecs.md", "codecs.csv"}
    keys = [row for row in everything[0] if row["kind"] == "keys"], []
    monkeypatch.setattr(codecs, "run", lambda specs, **options: keys)
    assert cli.main(["bench", "codecs", "rice", "--results", str(tmp_path)]) == 0
    assert "no figure: no codec of at most 100 bits per nonzero was measured" in capsys.readouterr().out
    assert len(list((tmp_path / "tables").iterdir())) == 4


def test_the_figure_has_points_front_and_bounds(everything):
    rows, _ = everything
    figure = rates.draw({"cpu": "a processor", "started_at": "2026-01-01"}, rows)
    given = {row["input"]: row for row in rows if row["kind"] == "codecs"}
    titles = [f"{name}: {row['nnz']:,.0f} entries of dim {row['dim']:,.0f}" for name, row in given.items()]
    assert [title.partition(":")[0] for title in titles] == ["zipf/lognormal", "zipf/gaussian"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == titles
    names = [text.get_text() for text in figure.axes[1].texts]
    assert any("adam-sparse" in name for name in names) and any("none: " in name and "not shown" in name for name in names)
    assert rates.draw({}, [row for row in rows if row["kind"] == "keys"]) is None
    assert rates.draw({}, [row for row in rows if row["spec"] == "none"]) is None  # far too wide for the figure


def test_pareto_front():
    assert report.pareto([(3, 1), (1, 5), (2, 5), (2, 4), (9, 1), (4, 0.5)]) == [1, 3, 0, 5]


def test_rounds_stop_at_the_limit():
    clock = timing.measure({"a": lambda i: None}, 2, 1000, limit_s=0)
    assert len(clock["a"]) == 5

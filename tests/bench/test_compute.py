from gradwire import data
from gradwire.bench import compute
from gradwire.bench.gradients import one_hot


def test_both_benchmarks_run_on_the_flights_data(monkeypatch):
    asked = []

    class Prepared:
        train = one_hot(3000, 26, 20_000)

    monkeypatch.setattr(data, "load", lambda dataset: asked.append(dataset.name) or Prepared)
    monkeypatch.setattr(compute, "benchmark_gradient", lambda train: [{"what": f"gradient of {len(train.labels)} rows"}])
    monkeypatch.setattr(compute, "benchmark_parser", lambda: [{"what": "parser"}])
    assert [row["what"] for row in compute.run()] == ["gradient of 3000 rows", "parser"]
    assert asked == ["flights"]

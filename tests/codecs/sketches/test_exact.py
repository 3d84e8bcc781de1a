"""exact: the reference answers like NumPy's sort."""

import numpy as np

import gradwire as gw


def test_equals_a_sort(streams, errors):
    for name, items in streams(5_000).items():
        sketch = gw.sketch("exact")
        for part in np.array_split(items, 4):
            sketch.merge(gw.sketch("exact").update(part))
        assert errors(sketch, items) == 0, name
        expected = np.quantile(items, np.arange(65) / 64, method="inverted_cdf")
        assert np.array_equal(sketch.quantiles(np.arange(65) / 64), expected), name
    assert sketch.rank_error == 0
    assert len(sketch) == sketch.count == 5_000

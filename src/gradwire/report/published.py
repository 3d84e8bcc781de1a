"""Speed-ups that papers published, to stand beside our own and never for them.

SketchML (Jiang et al., SIGMOD 2018), Section 4.3: time per epoch on clusters of 10 Gbit/s, Adam uncompressed with 12 bytes a pair.
"""

SOURCE = "SketchML paper, Section 4.3 (real KDD12 and CTR, up to 300 nodes, 10 Gbit/s, JVM)"

DATA = {"synthetic-kdd12": "KDD12", "kdd12": "KDD12", "synthetic-ctr": "CTR"}
"""Our data sets → the papers' that they are or stand in for."""

SPEEDUPS = {
    ("KDD12", "logistic", "sketchml"): {"adam-sparse": 10.4, "zipml": 2.8},
    ("KDD12", "svm", "sketchml"): {"adam-sparse": 9.4, "zipml": 4.5},
    ("KDD12", "logistic", "zipml"): {"adam-sparse": 3.7},
    ("CTR", "logistic", "sketchml"): {"adam-sparse": 3.8, "zipml": 2.7},
    ("CTR", "svm", "sketchml"): {"adam-sparse": 4.59, "zipml": 3.88},
}
"""(data, model, codec) → {baseline: time of the baseline's epoch over the codec's}."""


def speedups(data, model, codec):
    """{baseline: published ratio} for a codec on one of our data sets; empty where nothing was published."""
    return SPEEDUPS.get((DATA.get(data), model, codec), {})

"""What every quantile sketch must do."""

import numpy as np

from ..codecs.base import Sketch
from ..errors import CorruptMessage, DataError, IncompatibleError
from . import inputs

FRACTIONS = (0.0, 0.01, 0.25, 0.5, 0.9, 1.0)


def _arguments(sketch):
    return {name: getattr(sketch, name) for name in getattr(type(sketch), "arguments", ())}


def _empty(sketch):
    """A new one like it."""
    return type(sketch)(**_arguments(sketch))


def _streams():
    """Name → float32 values."""
    rng = np.random.default_rng(2)
    streams = {"normal": rng.normal(size=20_000), "constant": np.ones(3000), "sorted": np.arange(5000.0), "one": np.zeros(1)}
    return {name: values.astype(np.float32) for name, values in streams.items()}


def _check_answers(name, sketch, values):
    """Ranks and quantiles within rank_error of the exact ones."""
    assert sketch.count == len(values), f"{name}: counts {sketch.count} of {len(values)}"
    ordered = np.sort(values)
    for fraction in FRACTIONS:
        answer = float(sketch.quantiles([fraction])[0])
        low, high = (np.searchsorted(ordered, answer, side) / len(values) for side in ("left", "right"))
        error = sketch.rank_error + 1 / len(values)
        assert low - error <= fraction <= high + error, f"{name}: quantile {fraction} is {answer}, of rank {low}…{high}"
        assert low - error <= sketch.rank(answer) <= high + error, f"{name}: rank({answer}) is {sketch.rank(answer)}"


def sketch_answers(sketch):
    """Ranks and quantiles of a merged, pruned, serialised sketch are within its own rank_error of the exact ones."""
    for name, values in _streams().items():
        parts = [_empty(sketch).update(part) for part in np.array_split(values, 3)]
        whole = parts[0].merge(parts[1]).merge(parts[2])
        whole = type(whole).from_bytes(bytes(whole))
        _check_answers(name, whole, values)
        _check_answers(f"{name}, pruned", whole.prune(), values)


def sketch_merges(sketch):
    """merge changes nothing but its own sketch, an empty one adds nothing, and a sketch of another kind is IncompatibleError."""

    class Other(Sketch):
        name = "other"

    values = _streams()["normal"]
    one, two = _empty(sketch).update(values[:5000]), _empty(sketch).update(values[5000:])
    before = bytes(two)
    assert one.merge(two) is one, "merge does not return its sketch"
    assert bytes(two) == before, "merge changed the other sketch"
    _check_answers("merged", one, values)
    _check_answers("an empty one merged into it", one.merge(_empty(sketch)), values)
    _check_answers("merged into an empty one", _empty(sketch).merge(one), values)
    try:
        one.merge(Other())
    except IncompatibleError:
        return
    raise AssertionError("expected IncompatibleError from merging a sketch of another kind")


def sketch_levels_agree(sketch):
    """Equal bytes at every SIMD level and when done twice; the values, which may be read-only, are not changed."""
    for name, values in _streams().items():
        values.setflags(write=False)

        def run(values=values):
            parts = [_empty(sketch).update(part) for part in np.array_split(values, 3)]
            return bytes(parts[0].merge(parts[1]).merge(parts[2]))

        inputs.at_all_levels(run, name)


def sketch_refuses(sketch):
    """Questions to an empty sketch, NaN and ±inf are errors; damaged bytes are CorruptMessage, or a sketch that works."""
    empty = _empty(sketch)
    for question in (
        lambda: empty.quantiles([0.5]),
        lambda: empty.rank(0.0),
        lambda: empty.update([1.0, np.nan]),
        lambda: empty.update([np.inf]),
    ):
        try:
            question()
        except DataError:
            continue
        raise AssertionError("expected DataError")
    filled = bytes(_empty(sketch).update(np.linspace(0, 1, 1000)))
    for damaged in inputs.mutations(filled, 60):
        with inputs.memory_limit(inputs.allowance(len(filled)), "damaged bytes"):
            try:
                read = type(empty).from_bytes(damaged)
            except CorruptMessage:
                continue
        use(read)


def use(sketch):
    """Everything that can be asked of a sketch whose bytes were made up: answers are finite and in order."""
    if sketch.count:
        answers = sketch.quantiles(FRACTIONS)
        assert np.isfinite(answers).all() and (np.diff(answers) >= 0).all(), f"a damaged sketch answers {answers}"
        assert 0 <= sketch.rank(float(answers[2])) <= 1, f"a damaged sketch says rank {sketch.rank(float(answers[2]))}"
    again = type(sketch).from_bytes(bytes(sketch))
    assert again.count == sketch.count, f"a damaged sketch of {sketch.count} items reads itself as {again.count}"


CHECKS = (sketch_answers, sketch_merges, sketch_levels_agree, sketch_refuses)

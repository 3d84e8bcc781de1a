"""What every key coder, value coder and sparsifier must do."""

import numpy as np

from .._ext import simd
from ..errors import CorruptMessage, GradwireError, IncompatibleError
from ..gradient import Gradient
from ..step import Step
from . import claims, inputs
from .inputs import HUGE, STEP


def _unaligned(payload):
    """The same bytes at an odd address."""
    return memoryview(b"?" + bytes(payload))[1:]


def accepted_key_sets(coder, more=()):
    """The key sets but those that the coder refuses with a reason, such as a dim that it does not take."""
    cases = {}
    for name, (keys, dim) in {**inputs.key_sets(), **dict(more)}.items():
        try:
            coder.encode(keys, dim)
        except IncompatibleError:
            continue
        cases[name] = keys, dim
    return cases


def keys_round_trip(coder):
    """Lossless on every key set; the payload is bytes-like; decode does not need the original, nor an alignment."""
    for name, (keys, dim) in accepted_key_sets(coder).items():
        payload = coder.encode(keys, dim)
        for given in (bytes(payload), _unaligned(payload)):
            decoded = coder.decode(given, len(keys), dim)
            assert decoded.dtype == np.uint32, f"{name}: decode returned {decoded.dtype}"
            assert np.array_equal(decoded, keys), f"{name}: decode returned other keys"


def keys_levels_agree(coder):
    """Equal bytes at every SIMD level and when done twice; the level's own decoder reads them."""
    for name, (keys, dim) in accepted_key_sets(coder, _long_key_sets()).items():

        def run(name=name, keys=keys, dim=dim):
            payload = bytes(coder.encode(keys, dim))
            assert np.array_equal(coder.decode(payload, len(keys), dim), keys), f"{name}: {simd.level()} decodes other keys"
            return payload

        inputs.at_all_levels(run, name)


def _long_key_sets():
    gradient = inputs.long_gradients()["long sparse"]
    return {"long sparse": (gradient.keys, gradient.dim)}


def keys_estimate(coder):
    """The size estimate is within 1% and 64 bytes of the payload."""
    for name, (keys, dim) in accepted_key_sets(coder).items():
        estimate, real = coder.estimate(keys, dim), len(bytes(coder.encode(keys, dim)))
        assert abs(estimate - real) <= 64 + 0.01 * real, f"{name}: estimated {estimate} bytes, encoded {real}"


def keys_survive_damage(coder):
    """Any payload decodes to strictly increasing keys below dim, or CorruptMessage; memory stays in proportion to the payload."""
    for name, (keys, dim) in accepted_key_sets(coder).items():
        payload = bytes(coder.encode(keys, dim))
        for nnz in {len(keys), 0, 1, len(keys) + 1, 2**31, HUGE}:
            if nnz > dim:
                continue
            with inputs.memory_limit(inputs.allowance(len(payload)), f"{name}, nnz forged to {nnz}"):
                for damaged in inputs.mutations(payload, 40 if nnz == len(keys) else 4):
                    try:
                        decoded = coder.decode(damaged, nnz, dim)
                    except CorruptMessage:
                        continue
                    assert len(decoded) == nnz, f"{name}: {len(decoded)} keys instead of {nnz}"
                    Gradient(np.zeros(nnz, np.float32), dim, decoded)


def values_round_trip(coder):
    """As many finite values come back as went in, with any keys or none; select returns a mask of that length."""
    for name, gradient in inputs.gradients().items():
        payload = bytes(coder.encode(gradient.values, gradient.keys, STEP))
        decoded = coder.decode(payload, gradient.keys, STEP, gradient.nnz)
        assert decoded.dtype == np.float32, f"{name}: decode returned {decoded.dtype}"
        assert decoded.shape == gradient.values.shape, f"{name}: {gradient.nnz} values became {decoded.shape}"
        assert np.isfinite(decoded).all(), f"{name}: decode returned NaN or inf"
        again = coder.decode(_unaligned(payload), gradient.keys, STEP, gradient.nnz)
        assert again.tobytes() == decoded.tobytes(), f"{name}: decode of an unaligned payload differs"
        at = coder.tables_nbytes(payload, gradient.nnz)
        assert at % 8 == 0 and 0 <= at <= len(payload), f"{name}: tables_nbytes {at} of {len(payload)}"
        mask = coder.select(gradient.values, STEP)
        assert mask.dtype == bool and mask.shape == gradient.values.shape, f"{name}: select returned {mask.dtype} {mask.shape}"


def values_levels_agree(coder):
    """Equal bytes, selections and decoded values at every SIMD level and when done twice."""
    for name, gradient in (inputs.gradients() | inputs.long_gradients()).items():

        def run(gradient=gradient):
            payload = bytes(coder.encode(gradient.values, gradient.keys, STEP))
            decoded = coder.decode(payload, gradient.keys, STEP, gradient.nnz)
            return payload, decoded.tobytes(), coder.select(gradient.values, STEP).tobytes()

        inputs.at_all_levels(run, name)


def values_survive_damage(coder):
    """Any payload decodes to finite values, or CorruptMessage; memory stays in proportion to payload and keys."""
    for name in ("gaussian", "one key", "empty", "dense"):
        gradient = inputs.gradients()[name]
        payload = bytes(coder.encode(gradient.values, gradient.keys, STEP))
        with inputs.memory_limit(inputs.allowance(len(payload)), name):
            for damaged in inputs.mutations(payload, 100):
                _damaged_values(coder, damaged, gradient, name)
            for nnz in (gradient.nnz + 1, 2**31, HUGE):
                _forged_nnz(coder, payload, nnz, name)


def _damaged_values(coder, damaged, gradient, name):
    try:
        decoded = coder.decode(damaged, gradient.keys, STEP, gradient.nnz)
    except CorruptMessage:
        return
    good = len(decoded) == gradient.nnz and np.isfinite(decoded).all()
    assert good, f"{name}: a damaged payload gave NaN, infinities or another number of values"


def _forged_nnz(coder, payload, nnz, name):
    try:
        decoded = coder.decode(payload, None, STEP, nnz)
    except CorruptMessage:
        return
    assert len(decoded) == nnz and np.isfinite(decoded).all(), f"{name}: nnz forged to {nnz} gave bad values"


def values_keep_their_claims(coder):
    """unbiased and omega hold: the mean of many encodings is the values, their variance at most ω·|x|² (both within noise)."""
    if not coder.unbiased:
        return "does not claim to be unbiased"
    for name, gradient in inputs.few_coordinates().items():
        keys, draws = gradient.keys, []
        for step in (Step(i, 7, 0) for i in range(claims.DRAWS)):
            draws.append(coder.decode(coder.encode(gradient.values, keys, step), keys, step, gradient.nnz))
        claims.holds(name, gradient.values, draws, coder.omega(gradient.dim))
    return None


def _sparsified(sparsifier, gradient):
    """The result, None if the sparsifier refuses this input with a reason of our own."""
    try:
        return sparsifier.sparsify(gradient, STEP)
    except GradwireError:
        return None


def sparsifier_keeps_entries(sparsifier):
    """The result is sparse, a subset of the input's entries, without exact zeros, and counts the fresh entries of the input."""
    for name, gradient in inputs.gradients().items():
        if (kept := _sparsified(sparsifier, gradient)) is None:
            continue
        Gradient(kept.values, kept.dim, kept.keys)
        assert not kept.is_dense and kept.dim == gradient.dim, f"{name}: expected a sparse gradient of dim {gradient.dim}"
        assert kept.fresh_nnz == gradient.fresh_nnz, f"{name}: fresh_nnz {gradient.fresh_nnz} became {kept.fresh_nnz}"
        assert (kept.values != 0).all(), f"{name}: kept exact zeros"
        whole = gradient.to_sparse()
        at = np.searchsorted(whole.keys, kept.keys)
        assert np.isin(kept.keys, whole.keys).all(), f"{name}: keys that were not there"
        if not sparsifier.unbiased or sparsifier.omega(gradient.dim) == 0:
            assert np.array_equal(kept.values, whole.values[at]), f"{name}: values changed"


def sparsifier_levels_agree(sparsifier):
    """Equal entries at every SIMD level and when done twice."""
    for name, gradient in (inputs.gradients() | inputs.long_gradients()).items():

        def run(gradient=gradient):
            kept = _sparsified(sparsifier, gradient)
            return None if kept is None else (kept.keys.tobytes(), kept.values.tobytes())

        inputs.at_all_levels(run, name)


def sparsifier_keeps_its_claims(sparsifier):
    """unbiased and omega hold: the mean of many results is the gradient, their variance at most ω·|x|² (both within noise)."""
    if not sparsifier.unbiased:
        return "does not claim to be unbiased"
    for name, gradient in inputs.few_coordinates().items():
        draws = [sparsifier.sparsify(gradient, Step(i, 7, 0)).to_dense() for i in range(claims.DRAWS)]
        claims.holds(name, gradient.to_dense(), draws, sparsifier.omega(gradient.dim))
    return None


def sparsifier_shares_keys(sparsifier):
    """If it says so: every rank has the same shared_keys, and shared_values are what sparsify gives there."""
    if not sparsifier.shared:
        return "does not share its keys"
    other = Step(STEP.index, STEP.seed, STEP.rank + 1)
    for name, gradient in inputs.gradients().items():
        if (kept := _sparsified(sparsifier, gradient)) is None:
            continue
        keys, values = sparsifier.shared_keys(gradient.dim, STEP), sparsifier.shared_values(gradient, STEP)
        assert len(keys) == len(values) == sparsifier.shared_nnz(gradient.dim), f"{name}: {len(keys)} keys, {len(values)} values"
        assert np.array_equal(keys, sparsifier.shared_keys(gradient.dim, other)), f"{name}: another rank has other keys"
        there = Gradient(values, gradient.dim, keys).without_zeros()
        same = np.array_equal(there.keys, kept.keys) and np.array_equal(there.values, kept.values)
        assert same, f"{name}: shared_values are not what sparsify gives"
    return None


KEYS = (keys_round_trip, keys_levels_agree, keys_estimate, keys_survive_damage)
VALUES = (values_round_trip, values_levels_agree, values_survive_damage, values_keep_their_claims)
SPARSIFIERS = (sparsifier_keeps_entries, sparsifier_levels_agree, sparsifier_keeps_its_claims, sparsifier_shares_keys)

"""How far a decoded gradient is from what was encoded. One definition for codecs, value coders and sparsifiers; and for
sketches, how far quantiles are from the ranks asked for.

vnmse      |x - x̂|² / |x|², the mean over the repeats
cosine     of x and x̂, first repeat
max_error  largest |x_i - x̂_i| / largest |x_i|, over the repeats
bias       |mean of x̂ over the repeats - x| / |x|; for an unbiased codec about √(vnmse / repeats), given as bias_noise
"""

import numpy as np

REPEATS = 16


def errors(gradient, decode, repeats=REPEATS):
    """dict of the measures above. decode: number of a repeat → the Gradient that comes out. One repeat is enough if they do not differ."""
    x = gradient.values.astype(np.float64)
    norm = float(x @ x)
    if not norm:
        return {}
    total, losses, worst, cosine, first, count = np.zeros(len(x)), [], 0.0, 0.0, None, 0
    for repeat in range(repeats):
        y, outside = _aligned(gradient, decode(repeat))
        if repeat == 0:
            cosine = float(x @ y) / max(np.sqrt(norm * (float(y @ y) + outside)), 1e-300)
        elif repeat == 1 and np.array_equal(y, first):
            break
        first = y if repeat == 0 else first
        total += y
        rest = x - y
        losses.append((float(rest @ rest) + outside) / norm)
        worst = max(worst, float(np.abs(rest).max()))
        count += 1
    bias = total / count - x
    vnmse = float(np.mean(losses))
    return {
        "vnmse": vnmse,
        "cosine": cosine,
        "max_error": worst / float(np.abs(x).max()),
        "bias": float(np.sqrt(bias @ bias / norm)),
        "bias_noise": float(np.sqrt(vnmse / count)),
        "bias_repeats": count,
    }


def rank_error(values, fractions, answers):
    """Largest distance between a fraction and the ranks, from the first to the last of equals, of the value that answers it."""
    ordered = np.sort(values)
    low, high = (np.searchsorted(ordered, answers, side) / len(ordered) for side in ("left", "right"))
    return float(np.maximum(np.maximum(low - fractions, fractions - high), 0).max())


def _aligned(gradient, decoded):
    """(float64 values of `decoded` at the entries of `gradient`, squared norm of what it has elsewhere)."""
    values = decoded.values.astype(np.float64)
    if gradient.is_dense:
        return decoded.to_dense().astype(np.float64), 0.0
    if decoded.is_dense:
        here = values[gradient.keys]
        values[gradient.keys] = 0
        return here, float(values @ values)
    if np.array_equal(decoded.keys, gradient.keys):
        return values, 0.0
    at = np.minimum(np.searchsorted(gradient.keys, decoded.keys), gradient.nnz - 1)
    ours = gradient.keys[at] == decoded.keys
    out = np.zeros(gradient.nnz)
    out[at[ours]] = values[ours]
    return out, float(np.square(values[~ours]).sum())

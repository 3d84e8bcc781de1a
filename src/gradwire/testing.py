"""The conformance suite: what everything registered must do. Plug-in authors run it on their own parts.

    from gradwire import testing
    testing.check(gradwire.codec("mine(level=3)"))        # raises AssertionError naming every check that fails
    testing.failures(part)                                # {name of the check: what went wrong}, empty if it conforms

It takes codecs, key coders, value coders, sparsifiers and empty sketches, tells them apart by their base class, and needs no
test framework. Each check is one function `(part) -> None` in CHECKS, so a test runner may run them one by one.
"""

import numpy as np

from .codecs.base import Codec, KeyCoder, Sketch, Sparsifier, ValueCoder
from .errors import CorruptMessage, DataError, GradwireError, IncompatibleError
from .gradient import Gradient
from .message import Message
from .step import Step

STEP = Step(index=3, seed=11, rank=1)


def failures(part):
    """{check name: message} of the checks that `part` fails."""
    found = {}
    for check_one in CHECKS[_kind(part)]:
        try:
            check_one(part)
        except AssertionError as error:
            found[check_one.__name__] = str(error) or "failed"
        except Exception as error:  # a plug-in may raise anything; the report names it
            found[check_one.__name__] = f"{type(error).__name__}: {error}"
    return found


def check(part):
    """Raise AssertionError with all failures of `part`; return it if there are none."""
    found = failures(part)
    if found:
        raise AssertionError(f"{part} does not conform:\n" + "\n".join(f"  {name}: {what}" for name, what in found.items()))
    return part


def gradients(seed=0, dim=5000, nnz=700):
    """Name → Gradient: the shapes of input that every codec meets."""
    rng = np.random.default_rng(seed)

    def sparse(values, keys, size=dim):
        return Gradient(np.asarray(values, np.float32), size, np.asarray(keys, np.uint32))

    keys = np.sort(rng.choice(dim, nnz, replace=False))
    heavy = rng.choice([-1, 1], nnz) * rng.lognormal(-9, 2.5, nnz)
    return {
        "empty": sparse([], []),
        "one key": sparse([0.5], [dim // 2]),
        "first and last key": sparse([-0.5, 2.0], [0, dim - 1]),
        "all keys": sparse(rng.normal(size=300), np.arange(300), 300),
        "dim 1": sparse([3.0], [0], 1),
        "largest dim": sparse([1.0, -1.0, 2.0], [0, 77, 2**32 - 1], 2**32),
        "gaussian": sparse(rng.normal(size=nnz), keys),
        "heavy tail": sparse(heavy, keys),
        "constant": sparse(np.full(nnz, 0.25), keys),
        "one sign": sparse(-np.abs(heavy), keys),
        "zeros": sparse(np.zeros(nnz), keys),
        "some zeros": sparse(np.where(rng.random(nnz) < 0.3, 0, heavy), keys),
        "denormals": sparse(rng.choice([-1, 1], nnz) * rng.integers(1, 1000, nnz) * 2.0**-149, keys),
        "largest values": sparse(rng.choice([-1, 1], nnz) * np.finfo(np.float32).max, keys),
        "dense": Gradient(rng.normal(size=dim).astype(np.float32), dim),
        "dense zeros": Gradient(np.zeros(dim, np.float32), dim),
        "dense, dim 1": Gradient(np.array([-2.0], np.float32), 1),
    }


def key_sets(seed=0):
    """Name → (keys, dim)."""
    rng = np.random.default_rng(seed)
    cases = {name: (g.keys, g.dim) for name, g in gradients(seed).items() if not g.is_dense}
    runs = np.unique(np.concatenate([np.arange(start, start + 90) for start in rng.integers(0, 10**6, 9)]))
    return cases | {
        "runs": (runs.astype(np.uint32), 2 * 10**6),
        "wide gaps": (np.sort(rng.choice(2**32 - 1, 50, replace=False)).astype(np.uint32), 2**32),
        "one far key": (np.array([2**32 - 1], np.uint32), 2**32),
    }


def mutations(data, count=300, seed=0):
    """Damaged copies of `data`: truncated at many lengths, bits flipped, bytes replaced, random bytes, appended bytes."""
    rng = np.random.default_rng(seed)
    data = bytes(data)
    for length in sorted({*range(min(len(data), 64)), *rng.integers(0, max(len(data), 1), 20).tolist()}):
        yield data[:length]
    yield data + b"\0" * 8
    for _ in range(count if data else 0):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), int(rng.integers(1, 4))):
            damaged[at] ^= 1 << int(rng.integers(8))
        yield bytes(damaged)
        yield rng.bytes(int(rng.integers(0, len(data) + 9)))


def _accepts(codec, gradient):
    """Whether the codec is meant for this input: a refusal with a reason of our own is legal, a crash is not."""
    try:
        codec.encode(gradient, STEP)
    except DataError:
        raise
    except GradwireError:
        return False
    return True


def _cases(codec):
    return {name: gradient for name, gradient in gradients().items() if _accepts(codec, gradient)}


def codec_round_trip(codec):
    """Messages survive bytes; the decoded gradient has the input's dim, finite values and no key that was not there."""
    for name, gradient in _cases(codec).items():
        message = codec.encode(gradient, STEP)
        wire = bytes(message)
        assert message.nbytes == len(wire), f"{name}: nbytes {message.nbytes}, but {len(wire)} bytes"
        assert sum(message.split_nbytes().values()) == len(wire), f"{name}: the split of the bytes does not sum to nbytes"
        decoded = codec.decode(Message.from_bytes(wire), STEP)
        Gradient(decoded.values, decoded.dim, decoded.keys).check_finite(STEP.rank)
        assert decoded.dim == gradient.dim, f"{name}: dim {gradient.dim} became {decoded.dim}"
        if not (decoded.is_dense or gradient.is_dense):
            assert np.isin(decoded.keys, gradient.keys).all(), f"{name}: decode returned keys that were not encoded"


def codec_is_deterministic(codec):
    """Equal Step, equal bytes; the input is not changed."""
    for name, gradient in _cases(codec).items():
        before = gradient.values.copy()
        first, second = bytes(codec.encode(gradient, STEP)), bytes(codec.encode(gradient, STEP))
        assert first == second, f"{name}: two encodings with the same Step differ"
        assert np.array_equal(before, gradient.values), f"{name}: encode changed its input"


def codec_refuses_nonfinite(codec):
    """NaN and inf are refused at encode, naming key and rank."""
    for bad in (np.nan, np.inf, -np.inf):
        for keys in (None, np.array([2, 5, 9], np.uint32)):
            values = np.ones(12 if keys is None else 3, np.float32)
            values[1] = bad
            try:
                codec.encode(Gradient(values, 12, keys), STEP)
            except DataError as error:
                key = 1 if keys is None else 5
                assert f"key {key}" in str(error), f"the error does not name key {key}: {error}"
                assert f"rank {STEP.rank}" in str(error), f"the error does not name rank {STEP.rank}: {error}"
            else:
                raise AssertionError(f"{bad} was encoded")


def codec_decode_add(codec):
    """decode_add equals decode, scaled and added."""
    for name, gradient in _cases(codec).items():
        if gradient.dim > 10**6:
            continue
        message = codec.encode(gradient, STEP)
        out = np.linspace(-1, 1, gradient.dim).astype(np.float32)
        expected = out + np.float32(0.25) * codec.decode(message, STEP).to_dense()
        codec.decode_add(message, out, 0.25, STEP)
        assert np.allclose(out, expected, rtol=1e-6, atol=0), f"{name}: decode_add differs from decode"


def codec_survives_damage(codec):
    """Damaged or made-up messages give CorruptMessage; so do good headers around damaged payloads."""
    for name in ("gaussian", "one key", "empty", "dense"):
        gradient = gradients()[name]
        if not _accepts(codec, gradient):
            continue
        message = codec.encode(gradient, STEP)
        for damaged in mutations(message, 100):
            if damaged == bytes(message):
                continue
            try:
                codec.decode(Message.from_bytes(damaged), STEP)
            except CorruptMessage:
                continue
            raise AssertionError(f"{name}: a damaged message of {len(damaged)} bytes was decoded")
        for section, payload in message.sections.items():
            for damaged in mutations(payload, 60):
                _resealed(codec, message, {**message.sections, section: damaged})
        for nnz in (0, 1, message.nnz + 1, 2**32):
            if not message.is_dense:
                _resealed(codec, message, message.sections, dim=2**32, nnz=nnz)


def _resealed(codec, message, sections, **changed):
    """Decode a message whose checksum is right but whose contents are not: a valid gradient or CorruptMessage."""
    fields = {"dim": message.dim, "nnz": message.nnz, "is_dense": message.is_dense, "spec_hash": message.spec_hash} | changed
    try:
        decoded = codec.decode(Message.from_bytes(bytes(Message.pack(sections=sections, **fields))), STEP)
    except CorruptMessage:
        return
    Gradient(decoded.values, decoded.dim, decoded.keys).check_finite(STEP.rank)


def codec_spec_round_trip(codec):
    """The specification string names the same codec."""
    from .spec import codec as parse

    assert parse(codec.spec) == codec, f"{codec.spec!r} names {parse(codec.spec)!r}, not {codec!r}"


def codec_keeps_its_claims(codec):
    """unbiased and omega hold: the mean of many encodings is the gradient, their variance at most ω·|x|² (both within noise)."""
    if not codec.unbiased:
        return
    rng = np.random.default_rng(5)
    gradient = Gradient(rng.normal(size=64).astype(np.float32), 64, np.arange(64, dtype=np.uint32))
    draws = np.array([_decoded(codec, gradient, Step(i, 7, 0)) for i in range(800)], np.float64)
    spread = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    bias = np.abs(draws.mean(axis=0) - gradient.values)
    assert (bias <= 5 * spread + 1e-6 * np.abs(gradient.values)).all(), (
        f"biased by up to {(bias / (spread + 1e-30)).max():.1f} standard errors"
    )
    omega = codec.omega(gradient.dim)
    if omega is not None:
        norm = float(np.square(gradient.values, dtype=np.float64).sum())
        measured = np.square(draws - gradient.values).sum(axis=1)
        noise = 5 * measured.std() / np.sqrt(len(draws)) + 1e-6 * norm
        assert measured.mean() <= omega * norm + noise, f"claims omega {omega}, measured {measured.mean() / norm}"


def _decoded(codec, gradient, step):
    return codec.decode(codec.encode(gradient, step), step).to_dense()


def _key_cases(coder):
    """The key sets but those that the coder refuses with a reason, such as a dim that it does not take."""

    def accepts(keys, dim):
        try:
            coder.encode(keys, dim)
        except IncompatibleError:
            return False
        return True

    return {name: case for name, case in key_sets().items() if accepts(*case)}


def keys_round_trip(coder):
    """Lossless on every key set; the payload is bytes-like; decode does not need the original."""
    for name, (keys, dim) in _key_cases(coder).items():
        decoded = coder.decode(bytes(coder.encode(keys, dim)), len(keys), dim)
        assert decoded.dtype == np.uint32, f"{name}: decode returned {decoded.dtype}"
        assert np.array_equal(decoded, keys), f"{name}: decode returned other keys"


def keys_estimate(coder):
    """The size estimate is within 1% and 64 bytes of the payload."""
    for name, (keys, dim) in _key_cases(coder).items():
        estimate, real = coder.estimate(keys, dim), len(bytes(coder.encode(keys, dim)))
        assert abs(estimate - real) <= 64 + 0.01 * real, f"{name}: estimated {estimate} bytes, encoded {real}"


def keys_survive_damage(coder):
    """Any payload decodes to strictly increasing keys below dim, or CorruptMessage."""
    for name, (keys, dim) in _key_cases(coder).items():
        payload = bytes(coder.encode(keys, dim))
        for nnz in {len(keys), 0, 1, len(keys) + 1, 2**32}:
            for damaged in mutations(payload, 40 if nnz == len(keys) else 4):
                if nnz > dim:
                    continue
                try:
                    decoded = coder.decode(damaged, nnz, dim)
                except CorruptMessage:
                    continue
                assert len(decoded) == nnz, f"{name}: {len(decoded)} keys instead of {nnz}"
                Gradient(np.zeros(nnz, np.float32), dim, decoded)


def values_round_trip(coder):
    """As many finite values come back as went in, with any keys or none; select returns a mask of that length."""
    for name, gradient in gradients().items():
        payload = bytes(coder.encode(gradient.values, gradient.keys, STEP))
        decoded = coder.decode(payload, gradient.keys, STEP, gradient.nnz)
        assert decoded.dtype == np.float32, f"{name}: decode returned {decoded.dtype}"
        assert decoded.shape == gradient.values.shape, f"{name}: {gradient.nnz} values became {decoded.shape}"
        assert np.isfinite(decoded).all(), f"{name}: decode returned NaN or inf"
        at = coder.tables_nbytes(payload, gradient.nnz)
        assert at % 8 == 0 and 0 <= at <= len(payload), f"{name}: tables_nbytes {at} of {len(payload)}"
        mask = coder.select(gradient.values, STEP)
        assert mask.dtype == bool and mask.shape == gradient.values.shape, f"{name}: select returned {mask.dtype} {mask.shape}"


def values_survive_damage(coder):
    """Any payload decodes to finite values, or CorruptMessage."""
    for name in ("gaussian", "one key", "empty", "dense"):
        gradient = gradients()[name]
        payload = bytes(coder.encode(gradient.values, gradient.keys, STEP))
        for damaged in mutations(payload, 100):
            try:
                decoded = coder.decode(damaged, gradient.keys, STEP, gradient.nnz)
            except CorruptMessage:
                continue
            assert len(decoded) == gradient.nnz and np.isfinite(decoded).all(), f"{name}: a damaged payload gave bad values"


def sparsifier_keeps_entries(sparsifier):
    """The result is sparse, a subset of the input's entries, without exact zeros, and counts the fresh entries of the input."""
    for name, gradient in gradients().items():
        kept = sparsifier.sparsify(gradient, STEP)
        Gradient(kept.values, kept.dim, kept.keys)
        assert not kept.is_dense and kept.dim == gradient.dim, f"{name}: expected a sparse gradient of dim {gradient.dim}"
        assert kept.fresh_nnz == gradient.fresh_nnz, f"{name}: fresh_nnz {gradient.fresh_nnz} became {kept.fresh_nnz}"
        whole = gradient.to_sparse()
        at = np.searchsorted(whole.keys, kept.keys)
        assert np.isin(kept.keys, whole.keys).all(), f"{name}: keys that were not there"
        if not sparsifier.unbiased or sparsifier.omega(gradient.dim) == 0:
            assert np.array_equal(kept.values, whole.values[at]), f"{name}: values changed"


def sketch_answers(sketch):
    """Ranks and quantiles of a merged, serialised sketch are within its own rank_error of the exact ones."""
    rng = np.random.default_rng(2)
    for name, values in {"normal": rng.normal(size=20_000), "constant": np.ones(3000), "sorted": np.arange(5000.0)}.items():
        values = values.astype(np.float32)
        parts = [type(sketch)(**_arguments(sketch)).update(part) for part in np.array_split(values, 3)]
        whole = parts[0].merge(parts[1]).merge(parts[2])
        whole = type(whole).from_bytes(bytes(whole))
        assert whole.count == len(values), f"{name}: counts {whole.count} of {len(values)}"
        ordered = np.sort(values)
        for fraction in (0.0, 0.01, 0.25, 0.5, 0.9, 1.0):
            answer = float(whole.quantiles([fraction])[0])
            low, high = (np.searchsorted(ordered, answer, side) / len(values) for side in ("left", "right"))
            error = whole.rank_error + 1 / len(values)
            assert low - error <= fraction <= high + error, f"{name}: quantile {fraction} is {answer}, of rank {low}…{high}"
            assert low - error <= whole.rank(answer) <= high + error, f"{name}: rank({answer}) is {whole.rank(answer)}"


def sketch_refuses(sketch):
    """Questions to an empty sketch, NaN and ±inf are errors; damaged bytes are CorruptMessage."""
    empty = type(sketch)(**_arguments(sketch))
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
    filled = type(sketch)(**_arguments(sketch)).update(np.linspace(0, 1, 1000))
    for damaged in mutations(bytes(filled), 60):
        try:
            answers = type(filled).from_bytes(damaged)
            if answers.count:
                answers.quantiles([0.0, 0.5, 1.0])
        except CorruptMessage:
            continue


def _arguments(sketch):
    return {name: getattr(sketch, name) for name in getattr(type(sketch), "arguments", ())}


CHECKS = {
    Codec: (
        codec_round_trip,
        codec_is_deterministic,
        codec_refuses_nonfinite,
        codec_decode_add,
        codec_survives_damage,
        codec_spec_round_trip,
        codec_keeps_its_claims,
    ),
    KeyCoder: (keys_round_trip, keys_estimate, keys_survive_damage),
    ValueCoder: (values_round_trip, values_survive_damage),
    Sparsifier: (sparsifier_keeps_entries,),
    Sketch: (sketch_answers, sketch_refuses),
}


def _kind(part):
    for kind in CHECKS:
        if isinstance(part, kind):
            return kind
    raise TypeError(f"expected a codec, key coder, value coder, sparsifier or sketch, got {part!r}")

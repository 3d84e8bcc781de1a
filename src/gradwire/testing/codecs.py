"""What every whole codec must do."""

import numpy as np

from ..errors import CorruptMessage, DataError, GradwireError
from ..gradient import Gradient
from ..message import Message
from ..step import Step
from . import claims, inputs
from .inputs import HUGE, STEP


def accepts(codec, gradient):
    """Whether the codec is meant for this input: a refusal with a reason of our own is legal, a crash is not."""
    try:
        codec.encode(gradient, STEP)
    except DataError:
        raise
    except GradwireError:
        return False
    return True


def _cases(codec):
    cases = {name: gradient for name, gradient in inputs.gradients().items() if accepts(codec, gradient)}
    assert cases, "every gradient is refused"
    return cases


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
        if message.has("keys") and not (decoded.is_dense or gradient.is_dense):
            assert np.isin(decoded.keys, gradient.keys).all(), f"{name}: decode returned keys that were not encoded"


def codec_is_deterministic(codec):
    """Equal Step, equal bytes; the input, which may be read-only, is not changed."""
    for name, gradient in _cases(codec).items():
        values, keys = gradient.values.tobytes(), gradient.to_sparse().keys.tobytes()
        first, second = bytes(codec.encode(gradient, STEP)), bytes(codec.encode(gradient, STEP))
        assert first == second, f"{name}: two encodings with the same Step differ"
        assert (values, keys) == (gradient.values.tobytes(), gradient.to_sparse().keys.tobytes()), f"{name}: encode changed its input"


def codec_levels_agree(codec):
    """Equal bytes, and equal gradients decoded from them, at every SIMD level and when done twice."""
    cases = {name: g for name, g in (inputs.gradients() | inputs.long_gradients()).items() if accepts(codec, g)}
    for name, gradient in cases.items():

        def run(gradient=gradient):
            message = codec.encode(gradient, STEP)
            decoded = codec.decode(message, STEP)
            return bytes(message), b"" if decoded.is_dense else decoded.keys.tobytes(), decoded.values.tobytes()

        inputs.at_all_levels(run, name)


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
        gradient = inputs.gradients()[name]
        if not accepts(codec, gradient):
            continue
        message = codec.encode(gradient, STEP)
        for damaged in inputs.mutations(message, 100):
            if damaged == bytes(message):
                continue
            try:
                codec.decode(Message.from_bytes(damaged), STEP)
            except CorruptMessage:
                continue
            raise AssertionError(f"{name}: a damaged message of {len(damaged)} bytes was decoded")
        for section, payload in message.sections.items():
            for damaged in inputs.mutations(payload, 60):
                _resealed(codec, message, {**message.sections, section: damaged})


def codec_bounds_its_memory(codec):
    """A header forged to announce up to 2³² values, its checksum right, does not make decode allocate them."""
    for name in ("gaussian", "one key", "dense"):
        gradient = inputs.gradients()[name]
        if not accepts(codec, gradient):
            continue
        message = codec.encode(gradient, STEP)
        tiny = {section: payload[:8] for section, payload in message.sections.items()}
        for nnz in (0, 1, message.nnz + 1, 2**31, HUGE):
            for sections in (message.sections, tiny):
                with inputs.memory_limit(inputs.allowance(message.nbytes), f"{name}, nnz forged to {nnz}"):
                    _resealed(codec, message, sections, dim=nnz or 1 if message.is_dense else HUGE, nnz=nnz or int(message.is_dense))


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
    from ..spec import codec as parse

    assert parse(codec.spec) == codec, f"{codec.spec!r} names {parse(codec.spec)!r}, not {codec!r}"


def codec_keeps_its_claims(codec):
    """unbiased and omega hold: the mean of many encodings is the gradient, their variance at most ω·|x|² (both within noise)."""
    if not codec.unbiased:
        return "does not claim to be unbiased"
    for name, gradient in inputs.few_coordinates().items():
        if accepts(codec, gradient):
            steps = (Step(i, 7, 0) for i in range(claims.DRAWS))
            draws = [codec.decode(codec.encode(gradient, step), step).to_dense() for step in steps]
            claims.holds(name, gradient.to_dense(), draws, codec.omega(gradient.dim))
    return None


CHECKS = (
    codec_round_trip,
    codec_is_deterministic,
    codec_levels_agree,
    codec_refuses_nonfinite,
    codec_decode_add,
    codec_survives_damage,
    codec_bounds_its_memory,
    codec_spec_round_trip,
    codec_keeps_its_claims,
)

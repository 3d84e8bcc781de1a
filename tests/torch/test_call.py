"""A group's messages in one buffer, and hostile buffers."""

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs PyTorch: pip install "gradwire[torch]"')

import gradwire as gw
from gradwire.torch.call import apart, joined


def messages(*sizes):
    return [gw.codec("none").encode(gw.Gradient(np.ones(n, np.float32), n), gw.Step()) for n in sizes]


def test_one_message_is_its_own_buffer():
    (message,) = messages(5)
    assert joined([message]) is message.buffer
    assert apart(message.buffer, 1) == [message.buffer]


def test_several_messages_stand_behind_their_sizes():
    several = messages(5, 1, 2)
    payload = joined(several)
    assert payload[:24].view(np.int64).tolist() == [72, 56, 56]  # 40 + 8 bytes of header, values padded to 8
    assert [bytes(each) for each in apart(payload, 3)] == [bytes(each) for each in several]


def test_what_was_not_joined_is_refused():
    payload = joined(messages(5, 1))
    for bad in (payload[:8], payload[:-8], np.concatenate([payload, payload]), np.empty(0, np.uint8)):
        with pytest.raises(gw.CorruptMessage, match="expected 2 messages"):
            apart(bad, 2)
    for first in (-8, 2**62, 64):
        broken = payload.copy()
        broken[:8].view(np.int64)[0] = first
        with pytest.raises(gw.CorruptMessage, match="expected 2 messages"):
            apart(broken, 2)

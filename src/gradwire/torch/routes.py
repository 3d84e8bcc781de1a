"""Routes: how the encoded gradients of all ranks become their mean on all ranks. `route(codec)` says which one is a codec's.

gathered: every rank receives all messages and decodes them in rank order: any codec. added: torch.distributed adds float32: `none`.
halves: 16-bit floats. Gloo would add those in 16 bits; instead each rank receives a part of all ranks' values, adds it in float32,
rounds the mean once and sends that to all, as collectives/allreduce.py does: the bytes of a ring allreduce.

All ranks make the same calls of torch.distributed in the same order, because only the thread that runs backward makes them, and DDP takes
groups in the same order everywhere. Callbacks, which run in any order, make none.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist

from .._ext import sparse as _sparse
from ..codecs.base import Reduction
from ..errors import DataError
from .call import gather, joined


class Route(NamedTuple):
    """pack(messages): an array of what travels, and its bytes by section. send(call, payload, sizes): a Future of the group's tensor."""

    pack: Callable
    send: Callable


def route(codec):
    """The Route of a codec."""
    if codec.reduction is Reduction.SUM and not codec.shares_keys:
        word = getattr(codec.summable, "sum_dtype", None)
        if word is np.float32:
            return Route(_words(np.float32), added)
        if word is np.uint16:
            return Route(_words(np.uint16), halves)
    return Route(_whole, gathered)


def _whole(messages):
    payload, split = joined(messages), dict.fromkeys(("header", "keys", "values", "tables"), 0)
    for message in messages:
        for name, nbytes in message.split_nbytes().items():
            split[name] += nbytes
    split["header"] += len(payload) - sum(split.values())  # the sizes before them
    return payload, split


def _words(dtype):
    def pack(messages):
        words = np.concatenate([message.section("values").view(dtype) for message in messages])
        return words, {"values": words.nbytes}

    return pack


def gathered(call, payload, sizes):
    counts, longest = call.counts, max(sizes)

    def finish(rows):
        with counts.timed("decode"):
            return call.put(call.mean([row[:size] for row, size in zip(rows, sizes)]))

    if call.size == 1:
        return _completed(finish([payload]))
    mine = payload
    if len(payload) < longest:
        mine = np.zeros(longest, np.uint8)
        mine[: len(payload)] = payload
    everything = np.empty((call.size, longest), np.uint8)
    counts.add_bytes(sent=longest, padding=longest - len(payload), received=everything.nbytes)
    work = gather(torch.from_numpy(everything.reshape(-1)), torch.from_numpy(mine), call.group, async_op=True)
    return call.after(work, lambda: finish(everything))


def added(call, total, sizes):
    counts, values = call.counts, call.codec.summable

    def finish():
        with counts.timed("decode"):
            mean = values.mean_of_sum(total, call.size)
            if (at := _sparse.first_nonfinite(mean)) >= 0:
                raise DataError(f"the sum over {call.size} ranks overflows fp32 at key {at}")
            return call.put(mean)

    if call.size == 1:
        return _completed(finish())
    counts.add_bytes(sent=total.nbytes, received=total.nbytes)
    return call.after(dist.all_reduce(torch.from_numpy(total), group=call.group, async_op=True), finish)


def halves(call, words, sizes):
    counts, values, size, rank, group = call.counts, call.codec.summable, call.size, call.rank, call.group

    def put(words):
        with counts.timed("decode"):
            return call.put(values.decode(words.view(np.uint8), None, None, len(words)))

    if size == 1:
        return _completed(put(words))
    share = -(-len(words) // size)
    rows = np.zeros((size, share), np.uint16)
    rows.reshape(-1)[: len(words)] = words
    others = np.delete(rows, rank, 0)
    theirs = np.empty_like(others)
    counts.add_bytes(sent=others.nbytes, received=theirs.nbytes, padding=rows.nbytes - words.nbytes)
    splits = [0 if other == rank else 2 * share for other in range(size)]
    swapped = dist.all_to_all_single(_flat(theirs), _flat(others), splits, splits, group=call.group, async_op=True)
    arrived, answers = call.after(swapped, lambda: None), []
    gate = torch.futures.Future()

    def answer():
        """The second half: the mean of this rank's share, to all."""
        arrived.wait()
        with counts.timed("decode"):
            total = np.zeros(share, np.float32)
            for row in (*theirs[:rank], rows[rank], *theirs[rank:]):
                total += values.decode(row.view(np.uint8), None, None, share) * np.float32(1 / size)
        with counts.timed("encode"):
            mine = values.encode(total, None, None)
        everything = np.empty(size * share, np.uint16)
        counts.add_bytes(sent=mine.nbytes, received=everything.nbytes)
        work = gather(_flat(everything), torch.from_numpy(mine), group, async_op=True)
        answers.append(call.after(work, lambda: put(everything[: len(words)])))
        answers[0].then(lambda _: gate.set_result(None))

    call.state.pending.append(answer)
    return gate.then(lambda _: answers[0].value())  # raises if it failed


def _flat(array):
    return torch.from_numpy(array.reshape(-1).view(np.uint8))


def _completed(value):
    future = torch.futures.Future()
    future.set_result(value)
    return future

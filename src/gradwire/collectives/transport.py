"""MPI calls that move messages, in pieces below 2³¹ words, and count them in the ledger. Buffers travel as 64-bit words."""

import numpy as np

from ..errors import IncompatibleError

MAX_WORDS = (1 << 31) - 1


def pieces(total_words):
    """(start, stop) of each piece of at most MAX_WORDS words: MPI counts are 32-bit before MPI 4."""
    return [(start, min(start + MAX_WORDS, total_words)) for start in range(0, total_words, MAX_WORDS)]


def share(comm, mine, ledger):
    """int64 (size, n): every rank's `mine`, int64 (n,), on every rank."""
    everyone = np.empty((comm.size, len(mine)), np.int64)
    comm.Allgather(mine, everyone)
    ledger.control += mine.nbytes
    return everyone


def meet(comm, dim, name, ledger, error=None):
    """A barrier that carries 16 bytes of each rank: the dim of its gradient, and whether it has an `error`, None or a GradwireError.

    name: the rank's number in what is said of it. Raises on every rank: IncompatibleError if their dims differ, else the error of the
    first rank that has one. An allgather of a few bytes takes as many rounds as a barrier, and no rank leaves it before all have come.
    """
    everyone = share(comm, np.array([dim, name if error is None else ~name], np.int64), ledger)
    dims, names = everyone.T.tolist()
    if dims.count(dim) < comm.size:
        said = ", ".join(f"{each} on rank {max(name, ~name)}" for each, name in zip(dims, names))
        raise IncompatibleError(f"expected gradients of one dim, got {said}") from error
    if min(names) < 0:
        first = comm.bcast(error, root=next(rank for rank, name in enumerate(names) if name < 0))
        raise error or first


class _Room:
    """Where every rank's bytes go: of a rank that receives all, `whole`."""

    def __init__(self, comm, buffer, sizes, receives=True):
        self.rank, self.mine, self.receives = comm.rank, buffer.view(np.int64), receives
        self.counts = [size // 8 for size in sizes]
        self.starts = np.cumsum([0, *self.counts]).tolist()
        self.whole = np.empty(self.starts[-1] if receives else 0, np.int64)

    def pieces(self):
        """(what to send, where to receive) of each call; None where nothing is received."""
        from mpi4py import MPI

        for start, _ in pieces(max(self.counts)):
            part = [min(max(count - start, 0), MAX_WORDS) for count in self.counts]
            places = [first + min(start, count) for first, count in zip(self.starts, self.counts)]
            mine = [self.mine[start : start + part[self.rank]], part[self.rank], MPI.INT64_T]
            yield mine, [self.whole, part, places, MPI.INT64_T] if self.receives else None

    def filled(self, ledger):
        """Every rank's bytes, when the calls are done; None where nothing was received."""
        ledger.sent += self.mine.nbytes
        if not self.receives:
            return None
        ledger.received += self.whole.nbytes
        return [self.whole[first : first + count].view(np.uint8) for first, count in zip(self.starts, self.counts)]


def collect(comm, buffer, ledger, root=None):
    """Every rank's bytes as a list of uint8 arrays: on `root`, None elsewhere; without a root on every rank."""
    sizes = share(comm, np.array([len(buffer)], np.int64), ledger)[:, 0].tolist()
    room = _Room(comm, buffer, sizes, root in (None, comm.rank))
    for send, receive in room.pieces():
        if root is None:
            comm.Allgatherv(send, receive)
        else:
            comm.Gatherv(send, receive, root=root)
    return room.filled(ledger)


class Collection:
    """`collect` without a root, not waiting: the sizes are on their way when this is made, the bytes after `go`."""

    def __init__(self, comm, buffer, ledger):
        self._comm, self._buffer, self._ledger = comm, buffer, ledger
        self._size, self._sizes = np.array([len(buffer)], np.int64), np.empty(comm.size, np.int64)
        self._requests = [comm.Iallgather(self._size, self._sizes)]
        ledger.control += self._size.nbytes

    def go(self):
        """Start moving the bytes. All ranks must make and start their Collections in the same order. Returns self."""
        self._wait()
        self._room = _Room(self._comm, self._buffer, self._sizes.tolist())
        self._requests = [self._comm.Iallgatherv(send, receive) for send, receive in self._room.pieces()]
        return self

    def finish(self):
        """Every rank's bytes, as `collect` gives them."""
        self._wait()
        return self._room.filled(self._ledger)

    def _wait(self):
        from mpi4py import MPI

        MPI.Request.Waitall(self._requests)


def swap_evenly(comm, rows, ledger):
    """Every rank's row for this one: (size, n) of what `rows` is, whose row r is for rank r. A rank's own does not pass through MPI."""
    found = np.empty_like(rows)
    for start, stop in pieces(rows.shape[1]):
        counts = np.full(comm.size, stop - start)
        counts[comm.rank] = 0
        at = (rows.shape[1] * np.arange(comm.size) + start).tolist()
        comm.Alltoallv([rows, (counts.tolist(), at)], [found, (counts.tolist(), at)])
    found[comm.rank] = rows[comm.rank]
    ledger.sent += rows.nbytes - rows[comm.rank].nbytes
    ledger.received += rows.nbytes - rows[comm.rank].nbytes
    return found


def total_of(comm, mine, ledger):
    """The sum of every rank's `mine`, element by element, added by MPI."""
    total = np.empty_like(mine)
    for start, stop in pieces(len(mine)):
        comm.Allreduce(mine[start:stop], total[start:stop])
    ledger.sent += mine.nbytes
    ledger.received += total.nbytes
    return total


def collect_evenly(comm, mine, ledger):
    """Every rank's `mine`, which all have the same length, one behind the other."""
    whole = np.empty(comm.size * len(mine), mine.dtype)
    for start, stop in pieces(len(mine)):
        at = (len(mine) * np.arange(comm.size) + start).tolist()
        comm.Allgatherv(mine[start:stop], [whole, ([stop - start] * comm.size, at)])
    ledger.sent += mine.nbytes
    ledger.received += whole.nbytes
    return whole


def spread(comm, buffer, ledger, root):
    """The root's bytes, on every rank; `buffer` is None elsewhere."""
    from mpi4py import MPI

    size = np.array([len(buffer) if comm.rank == root else 0], np.int64)
    comm.Bcast(size, root=root)
    whole = np.empty(int(size[0]) // 8, np.int64) if buffer is None else buffer.view(np.int64)
    for start, stop in pieces(len(whole)):
        comm.Bcast([whole[start:stop], stop - start, MPI.INT64_T], root=root)
    if comm.rank == root:
        ledger.control += size.nbytes
        ledger.sent += 8 * len(whole)
    else:
        ledger.received += 8 * len(whole)
    return whole.view(np.uint8)


def swap(comm, buffers, ledger):
    """[bytes from each rank]: rank r gets buffers[r] of every rank. What a rank has for itself does not pass through MPI."""
    from mpi4py import MPI

    sizes, theirs = (np.zeros((comm.size, 2), np.int64) for _ in range(2))
    sizes[:, 0] = [0 if rank == comm.rank else len(buffer) for rank, buffer in enumerate(buffers)]
    sizes[:, 1] = sizes[:, 0].max()  # all ranks must make the same number of calls
    comm.Alltoall(sizes, theirs)
    ledger.control += sizes.nbytes
    out, into = (table[:, 0] // 8 for table in (sizes, theirs))
    leave, arrive = (np.cumsum([0, *counts]) for counts in (out, into))
    packed = np.concatenate([np.empty(0, np.uint8), *(each for rank, each in enumerate(buffers) if rank != comm.rank)]).view(np.int64)
    whole = np.empty(arrive[-1], np.int64)
    for start, _ in pieces(int(theirs[:, 1].max()) // 8):
        counts = [np.clip(each - start, 0, MAX_WORDS) for each in (out, into)]
        places = [first[:-1] + np.minimum(start, each) for first, each in ((leave, out), (arrive, into))]
        send, receive = ([data, (n.tolist(), at.tolist()), MPI.INT64_T] for data, n, at in zip((packed, whole), counts, places))
        comm.Alltoallv(send, receive)
    ledger.sent += packed.nbytes
    ledger.received += whole.nbytes
    found = [whole[arrive[rank] : arrive[rank + 1]].view(np.uint8) for rank in range(comm.size)]
    found[comm.rank] = buffers[comm.rank]
    return found

"""Watchdog: ends a run in which ranks wait for one that hangs, and says which rank that is, where it is and since when.

A thread on each rank looks a few times a second where its rank is, as the Stopwatch says it; nothing is added to a step. When its rank has
waited in a collective for longer than the limit, it asks the other ranks' threads, over a communicator of their own, where theirs are:

    a rank that is not in a collective, for as long      hangs
    a rank whose thread does not answer                  hangs (it was stopped, or is stuck in compiled code that keeps the interpreter)
    all are in a collective, or moving                   the network or the work is slow: ten times the limit

One rank says so and aborts all. The limit is for a step that waits, and at least ten times the longest step so far; it is ten times that
for a step that does not, and between steps (evaluation, recording, checkpoints). It never ends what takes long on all ranks alike within
that. Preparing data is not watched. A library that keeps threads out of MPI leaves each of them to speak for its own rank.
"""

import atexit
import faulthandler
import os
import platform
import sys
import threading
from time import perf_counter, sleep
from typing import NamedTuple

from .collectives.communicators import MEETING, kept, threads_may_talk, watched
from .launch import FLUSH_S, SPREAD_S, tell, turn_s
from .stopwatch import Stopwatch

PATIENT = 10
"""How many times the limit what is slow may take, and how many times the longest step so far the next one may take."""

SECOND_S = 5.0
"""After this a speaker that could not end the run has lost its turn: its own process ends, another rank speaks."""

_SAID = 4
_ASK, _HERE, _SPOKEN = range(3)
FAILING = "failing"
_WAITS = ("wait", "transfer", MEETING)


class Place(NamedTuple):
    """Where a rank is: `part` of step `at`, as a Stopwatch has them, for age_s seconds; code: the line of Python that runs."""

    rank: int
    host: str
    at: tuple | None
    part: str | None
    age_s: float
    code: str

    @property
    def waits(self):
        return self.part in _WAITS

    @property
    def between(self):
        """Whether it is between steps."""
        return self.part in (None, MEETING)

    def told(self, verb):
        return f"rank {self.rank} ({self.host}) {verb}: {self} ({self.code})"

    def __str__(self):
        step = "the first step" if self.at is None else f"step {self.at[1]} of epoch {self.at[0]}"
        relation = ("before" if self.at is None else "after") if self.between else f"in {self.part} of"
        return f"{relation} {step} for {self.age_s:.0f} s"


class Watchdog:
    """Watches the ranks of `comm` inside a `with` block, which all of them enter: what is done there goes through `watch` and `comm`.

    limit_s: seconds; 0, or a single rank: nothing is watched. An error that leaves the block with a step unfinished is given a note of it.
    """

    def __init__(self, comm, limit_s):
        self._world, self.limit_s, self.watch = comm, limit_s, Stopwatch()
        self.comm = watched(comm, self.watch) if limit_s and comm.size > 1 else comm
        self._main, self._stop, self._thread = threading.get_ident(), threading.Event(), None
        self._answers, self._sent, self._spoken, self._failed, self._again = {}, [], False, None, 0.0

    def __enter__(self):
        if self.comm is not self._world:
            self._hosts = self._world.allgather(platform.node())
            self._line = kept(self._world, "watchdog", lambda: (self._world.Dup(),))[0] if threads_may_talk() else None
            self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind, error, trace):
        if error is None:
            self.close()
            return
        self._failed = perf_counter()  # others are to hear of it until this rank has spoken
        atexit.register(self.close)
        if isinstance(error, Exception) and self.watch.part is not None and self.watch.at:
            error.add_note(f"in step {self.watch.at[1]} of epoch {self.watch.at[0]}")

    def close(self):
        """Nothing is watched from now on. No thread may be left when MPI ends."""
        self._stop.set()
        if self._thread:
            self._thread.join(SECOND_S)

    def here(self):
        """This rank's Place."""
        frame = sys._current_frames().get(self._main)
        code = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno} {frame.f_code.co_name}" if frame else ""
        watch, rank = self.watch, self._world.rank
        since, part = (watch.since, watch.part) if self._failed is None else (self._failed, FAILING)
        return Place(rank, self._hosts[rank], watch.at, part, perf_counter() - since, code)

    def allowed_s(self, place):
        """How long this rank may be where it is before others are asked."""
        if place.between:
            return PATIENT * self.limit_s
        return max(self.limit_s, PATIENT * self.watch.longest_s) * (1 if place.waits else PATIENT)

    def _run(self):
        tick = min(0.5, self.limit_s / 10)
        while not self._stop.wait(tick):
            place = self.here()
            if self._line is not None:
                self._listen()
            if self._failed is not None:
                continue
            if self._line is None:
                self._alone(place)
            elif place.age_s > self.allowed_s(place) and perf_counter() > self._again:
                self._investigate(self.allowed_s(place))
                self._again = perf_counter() + self.limit_s / 10

    def _investigate(self, allowed):
        """Ask where the others are, and speak if one hangs."""
        self._answers, since = {}, self.watch.since
        self._say(_ASK)
        until = perf_counter() + max(2.0, self.limit_s / 10)
        while len(self._answers) < len(self._hosts) - 1 and perf_counter() < until and not self._stop.wait(0.05):
            self._listen()
        if self._stop.is_set() or self.watch.since != since:
            return
        me = self.here()
        places = sorted([me, *self._answers.values()])
        silent = [(rank, host) for rank, host in enumerate(self._hosts) if rank not in {place.rank for place in places}]
        verdict = judge(me, places, silent, allowed)
        if verdict is None:
            return
        turn = sum(place.rank < me.rank and place.waits >= me.waits for place in places)
        until = perf_counter() + turn_s(turn, len(places))
        while perf_counter() < until and not self._stop.wait(0.05):
            self._listen()
        if self._spoken:  # another rank does; if it cannot, it is silent the next time
            self._spoken = self._stop.wait(SECOND_S)
        elif not self._stop.is_set() and self.watch.since == since:
            self._end(verdict)

    def _end(self, verdict):
        """Tell the user, and end all ranks: by an abort, which cannot fail to end at least this one."""
        faulthandler.dump_traceback_later(FLUSH_S + SECOND_S, exit=True, file=open(os.devnull, "w"))  # noqa: SIM115 to the end
        self._say(_SPOKEN)
        tell(f"gradwire: {verdict}; stopped by the watchdog (limit {self.limit_s:g} s, --watchdog)")
        sleep(FLUSH_S)
        if self._line is not None:
            self._world.Abort(1)
        os._exit(1)

    def _alone(self, place):
        """What is left where threads may not talk: a rank speaks for itself; those that wait, later, as it may be their own network."""
        allowed = max(self.limit_s, PATIENT * self.watch.longest_s) * (2 if place.waits else 1) * (PATIENT if place.between else 1)
        if place.age_s > allowed:
            if place.waits and self._stop.wait(turn_s(place.rank, len(self._hosts))):
                return
            if self.here().age_s > allowed:
                self._end(place.told("waits" if place.waits else "hangs"))

    def _say(self, kind):
        """Send a word to the threads of all other ranks, without waiting for any of them."""
        for rank in range(len(self._hosts)):
            if rank != self._world.rank and self._line is not None:
                self._send(kind, rank)

    def _send(self, kind, rank):
        self._sent = [request for request in self._sent if not request.Test()]  # it owns what it sends
        self._sent.append(self._line.isend((kind, self.here()), rank))

    def _listen(self):
        """Take what has come from other threads; answer those that ask."""
        while (message := self._line.improbe()) is not None:
            kind, place = message.recv()
            if kind == _ASK:
                self._send(_HERE, place.rank)
            elif kind == _HERE:
                self._answers[place.rank] = place
            else:
                self._spoken = True


def judge(me, places, silent, allowed_s):
    """What to tell the user, None if nothing hangs. me: the Place of a rank that has been there for longer than allowed_s, one of `places`,
    those of all that answered; silent: (rank, host) of the others."""
    waiting = [place for place in places if place.waits]
    late = [place for place in places if not place.waits and place.age_s >= allowed_s]
    if any(place.part == FAILING and place.age_s < SPREAD_S + SECOND_S for place in places):
        return None  # it will say what its error is
    if late or silent:
        said = [place.told("hangs") for place in late]
        said += [f"rank {rank} ({host}) hangs: it does not answer (stopped, or stuck in compiled code)" for rank, host in silent]
        behind = f", while {_waiting(waiting)} for {'it' if len(said) == 1 else 'them'}" if waiting else ""
        if waiting and not late:
            behind += f" {max(waiting, key=lambda place: place.age_s)}"
    elif me.age_s > PATIENT * allowed_s:
        said = [place.told("waits" if place.waits else "is late") for place in places]
        behind = ": nothing moves"
    else:
        return None
    return "; ".join(said[:_SAID]) + (f"; {len(said) - _SAID} more" if len(said) > _SAID else "") + behind


def _waiting(places):
    return "1 rank waits" if len(places) == 1 else f"{len(places)} ranks wait"

"""The watchdog, with ranks that are objects of this process; on real ranks it is in tests/faults/test_hangs.py."""

import queue
import re
import time
from time import perf_counter

import pytest

from gradwire import DataError, watchdog
from gradwire.collectives.communicators import MEETING
from gradwire.watchdog import FAILING, Place, Watchdog, judge

# What ends a thread here would end the process.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class World:
    """A communicator as rank `rank` sees it; all of them share `boxes`, a queue for each rank, and what has been `aborted`."""

    def __init__(self, other=None, rank=0, boxes=(), aborted=None):
        self.rank, self.boxes, self.aborted = (other.rank, other.boxes, other.aborted) if other else (rank, boxes, aborted)

    @property
    def size(self):
        return len(self.boxes)

    def allgather(self, value):
        return [value] * self.size

    def Barrier(self):
        return "met"

    Allreduce = Dup = Split = Split_type = allreduce = bcast = gather = None

    def isend(self, value, rank):
        self.boxes[rank].put(value)
        return Sent()

    def improbe(self):
        return None if self.boxes[self.rank].empty() else Came(self.boxes[self.rank].get())

    def Abort(self, code):
        self.aborted.append((self.rank, code))
        raise SystemExit  # of this thread


class Sent:
    def Test(self):
        return True


class Came:
    def __init__(self, value):
        self.recv = lambda: value


@pytest.fixture
def ranks(monkeypatch):
    """start(places, limit) → (what is told, what is aborted): watchdogs of ranks that have been at these (part, seconds), one with None not
    answering at all."""
    told, exits, started = [], [], []
    monkeypatch.setattr(watchdog, "tell", told.append)
    monkeypatch.setattr(watchdog, "kept", lambda comm, name, make: (comm,))
    monkeypatch.setattr(watchdog, "threads_may_talk", lambda: True)
    monkeypatch.setattr(watchdog.faulthandler, "dump_traceback_later", lambda *_, **options: options["file"].close())
    monkeypatch.setattr(watchdog.platform, "node", lambda: "host")

    def leave(code):
        exits.append(code)
        raise SystemExit

    monkeypatch.setattr(watchdog.os, "_exit", leave)

    def start(places, limit):
        boxes, aborted = [queue.SimpleQueue() for _ in places], []
        for rank, place in enumerate(places):
            dog = Watchdog(World(rank=rank, boxes=boxes, aborted=aborted), limit)
            if place is not None:
                dog.watch.at, dog.watch.part, dog.watch.since = (0, 12), place[0], perf_counter() - place[1]
                started.append(dog.__enter__())
        return told, aborted, exits

    yield start
    for dog in started:
        dog.close()


def until(condition, seconds=10):
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds
        time.sleep(0.01)


def place(rank, part, age_s, at=(0, 12)):
    return Place(rank, f"h{rank}", at, part, age_s, "x.py:3 f")


def test_one_rank_says_which_hangs(ranks):
    told, aborted, _ = ranks([("wait", 30), ("compute", 31), ("transfer", 29), ("wait", 30)], 20)
    until(lambda: aborted)
    time.sleep(0.8)
    assert aborted == [(0, 1)]
    said = r"gradwire: rank 1 \(host\) hangs: in compute of step 12 of epoch 0 for 3\d s \(.*\), while 3 ranks wait for it; stopped by the watchdog "
    assert re.fullmatch(said + r"\(limit 20 s, --watchdog\)", told[0])
    assert len(told) == 1


def test_a_rank_without_a_thread_does_not_answer(ranks):
    told, aborted, _ = ranks([("wait", 30), None], 1)
    until(lambda: aborted)
    assert told[0].startswith(
        "gradwire: rank 1 (host) hangs: it does not answer (stopped, or stuck in compiled code), while 1 rank waits for it in"
    )


def test_all_in_one_collective_is_a_slow_network_up_to_ten_times_the_limit(ranks):
    told, aborted, _ = ranks([("transfer", 2.0), ("transfer", 2.0)], 1)
    time.sleep(1.5)
    assert not told
    until(lambda: aborted, 15)
    assert told[0].startswith("gradwire: rank 0 (host) waits: in transfer of step 12 of epoch 0 for 1")
    assert ": nothing moves; stopped" in told[0]


def test_a_rank_that_is_about_to_tell_its_error_is_not_interrupted(ranks):
    told, _, _ = ranks([("wait", 5), (FAILING, 5)], 0.2)
    time.sleep(1)
    assert not told


def test_who_cannot_end_the_run_leaves_it_to_another(ranks, monkeypatch):
    monkeypatch.setattr(watchdog, "SECOND_S", 0.3)
    original = Watchdog._end

    def stuck(self, verdict):
        if self._world.rank == 0:
            self._say(watchdog._SPOKEN)
            self._stop.wait()
        else:
            original(self, verdict)

    monkeypatch.setattr(Watchdog, "_end", stuck)
    told, aborted, _ = ranks([("wait", 4), ("compute", 4), ("wait", 4)], 1)
    until(lambda: aborted)
    assert aborted == [(2, 1)]
    assert "rank 1 (host) hangs" in told[0]


def test_without_threads_in_mpi_each_speaks_for_itself(ranks, monkeypatch):
    monkeypatch.setattr(watchdog, "threads_may_talk", lambda: False)
    told, aborted, exits = ranks([("wait", 1.2), ("compute", 1.2)], 1)
    until(lambda: exits)
    time.sleep(0.3)
    assert told[0].startswith("gradwire: rank 1 (host) hangs: in compute") and not aborted
    until(lambda: len(exits) == 2)
    assert told[1].startswith("gradwire: rank 0 (host) waits: in wait of step 12")


def test_how_long_a_rank_may_be_where_it_is():
    dog = Watchdog(World(boxes=[None] * 2), 20)
    assert [dog.allowed_s(place(0, part, 0)) for part in ("wait", "transfer", "compute", "other", None, MEETING)] == [
        20,
        20,
        200,
        200,
        200,
        200,
    ]
    dog.watch.longest_s = 7
    assert [dog.allowed_s(place(0, part, 0)) for part in ("wait", "compute", None)] == [70, 700, 200]


@pytest.mark.parametrize(
    ("places", "silent", "said"),
    [
        ([("wait", 30), ("compute", 3)], [], None),  # late, but on its way
        ([("wait", 30), ("transfer", 3)], [], None),
        ([("wait", 30), ("compute", 3), (FAILING, 3)], [(3, "h3")], None),
        ([("wait", 30), (FAILING, 30)], [], "rank 1 (h1) hangs: in failing of step 12 of epoch 0 for 30 s (x.py:3 f), while 1 rank waits for it"),
        ([("wait", 30)], [(1, "h1"), (2, "h2")],
         "rank 1 (h1) hangs: it does not answer (stopped, or stuck in compiled code); rank 2 (h2) hangs: it does not answer "
         "(stopped, or stuck in compiled code), while 1 rank waits for them in wait of step 12 of epoch 0 for 30 s"),
        ([("wait", 30), *[("compute", 30)] * 6], [],
         "; ".join(f"rank {rank} (h{rank}) hangs: in compute of step 12 of epoch 0 for 30 s (x.py:3 f)" for rank in range(1, 5))
         + "; 2 more, while 1 rank waits for them"),
        ([(MEETING, 250), (None, 240)], [], "rank 1 (h1) hangs: after step 12 of epoch 0 for 240 s (x.py:3 f), while 1 rank waits for it"),
        ([("compute", 30), ("compute", 31)], [],
         "rank 0 (h0) hangs: in compute of step 12 of epoch 0 for 30 s (x.py:3 f); rank 1 (h1) hangs: in compute of step 12 of epoch 0 for 31 s (x.py:3 f)"),
        ([("wait", 201), ("compute", 3)], [],
         "rank 0 (h0) waits: in wait of step 12 of epoch 0 for 201 s (x.py:3 f); rank 1 (h1) is late: in compute of step 12 of epoch 0 for 3 s (x.py:3 f)"
         ": nothing moves"),
    ],
)  # fmt: skip
def test_judge(places, silent, said):
    places = [place(rank, *each) for rank, each in enumerate(places)]
    assert judge(places[0], places, silent, 20) == said


def test_before_the_first_step():
    assert str(place(0, None, 3, at=None)) == "before the first step for 3 s"


def test_an_error_in_a_step_says_which():
    dog = Watchdog(World(boxes=[None]), 20)
    with pytest.raises(DataError) as caught, dog, dog.watch.step(2, 7):
        raise DataError("bad")
    assert caught.value.__notes__ == ["in step 7 of epoch 2"]
    with pytest.raises(DataError) as caught, dog:
        with dog.watch.step(2, 8):
            pass
        raise DataError("bad")
    assert not hasattr(caught.value, "__notes__")


def test_nothing_is_watched_on_one_rank_or_without_a_limit():
    for size, limit in ((1, 20), (2, 0)):
        world = World(boxes=[None] * size)
        with Watchdog(world, limit) as dog:
            assert dog.comm is world and dog._thread is None


def test_a_failing_rank_answers_until_the_end(ranks):
    ranks([("wait", 0.1), ("wait", 0.1)], 5)
    boxes = [queue.SimpleQueue(), queue.SimpleQueue()]
    dog = Watchdog(World(rank=0, boxes=boxes), 0.2)
    with pytest.raises(ZeroDivisionError), dog:
        raise ZeroDivisionError
    boxes[0].put((watchdog._ASK, place(1, "wait", 1)))
    kind, answer = boxes[1].get(timeout=5)
    assert kind == watchdog._HERE and answer.part == FAILING
    dog.close()
    assert not dog._thread.is_alive()


@pytest.mark.ranks(2)
def test_the_watch_knows_of_collectives_outside_phases(comm):
    from gradwire.collectives.communicators import threads_may_talk, watched
    from gradwire.stopwatch import Stopwatch

    class Seen(Stopwatch):
        def note(self, part):
            seen.append(part)
            super().note(part)

    seen, watch = [], Seen()
    ours = watched(comm, watch)
    assert (ours.rank, ours.size) == (comm.rank, comm.size)
    ours.Barrier()
    assert ours.allgather(comm.rank) == [0, 1] and seen == [MEETING, None] * 2
    with watch.step(3, 4):
        node = ours.Split(0, comm.rank)
        with watch("wait"):
            ours.Barrier()
            assert watch.part == "wait"
        assert watch.part == "other" and watch.at == (3, 4)
    assert seen[4:] == ["wait", "other"] and watch.part is None
    node.Free()
    assert threads_may_talk()
    with pytest.raises(TypeError):
        ours.allreduce()
    assert watch.part is None

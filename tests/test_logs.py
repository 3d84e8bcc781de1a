"""Progress: a line per epoch, a bar on a terminal, nothing on other ranks, and drawing that is throttled."""

import io
import logging
import re
from types import SimpleNamespace

import pytest

from gradwire import logs


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(run_id="none-01234567-r0", epochs=2):
    return SimpleNamespace(run_id=run_id, epochs=epochs)


ROW = {"epoch_time_s": [0.5, 0.75], "train_loss": 0.51234, "test_loss": 0.5, "test_metric": 0.8}


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(logs, "perf_counter", lambda: clock.now)
    return clock


def test_one_line_per_epoch(clock):
    stream = io.StringIO()
    progress = logs.progress(0, [run(), run("fp16-89abcdef-r1", 4)], stream)
    progress.start_run(run(), 0, 10)
    for epoch in range(2):
        for step in range(10):
            progress.step(epoch, step)
        clock.now += 30
        progress.epoch(epoch, ROW)
    progress.end_run("somewhere.h5")
    assert stream.getvalue().splitlines() == [
        "[1/2] none-01234567-r0  epoch 1/2  loss 0.5123  test 0.5000  metric 0.8000  0.75 s  elapsed 0:30  remaining 2:30",
        "[1/2] none-01234567-r0  epoch 2/2  loss 0.5123  test 0.5000  metric 0.8000  0.75 s  elapsed 1:00  remaining 2:00",
    ]


def test_the_second_run_and_a_resumed_one(clock):
    stream = io.StringIO()
    second = run("fp16-89abcdef-r1", 200)
    progress = logs.progress(0, [run(epochs=1), second], stream)
    progress.start_run(run(epochs=1), 0, 10)
    clock.now += 60
    progress.epoch(0, ROW)
    progress.start_run(second, 99, 10)  # resumed: 101 epochs are left, not 200
    clock.now += 60
    progress.epoch(99, ROW | {"epoch_time_s": 2})
    last = stream.getvalue().splitlines()[-1]
    assert last.startswith("[2/2] fp16-89abcdef-r1  epoch 100/200 ")
    assert last.endswith("2.00 s  elapsed 2:00  remaining 1:40:00")


def test_other_ranks_say_nothing():
    stream = Terminal()
    progress = logs.progress(1, [run()], stream)
    progress.start_run(run(), 0, 10)
    progress.step(0, 0)
    progress.epoch(0, ROW)
    progress.note("hello")
    progress.end_run("somewhere.h5")
    assert stream.getvalue() == ""


def test_notes_without_a_terminal_go_to_standard_error(capsys):
    logs.progress(0, []).note("hello")
    assert capsys.readouterr().err == "hello\n"


def test_a_bar_on_a_terminal(clock):
    stream = Terminal()
    progress = logs.progress(0, [run()], stream)
    progress.note("before")
    progress.start_run(run(), 0, 10)
    clock.now += 1
    progress.step(0, 4)
    progress.note("between")
    progress.epoch(0, ROW)
    progress.epoch(1, ROW)
    progress.end_run("somewhere.h5")
    text = stream.getvalue()
    assert text.startswith("before\n")
    assert "between\n" in text
    assert "[1/1] none-01234567-r0" in text and "5/20" in text and "10/20" in text and "20/20" in text
    assert re.search(r"loss 0\.5123 .*, elapsed 0:01  remaining 0:00", text)


def test_a_resumed_bar_begins_where_the_run_does(clock):
    stream = Terminal()
    progress = logs.progress(0, [run(epochs=5)], stream)
    progress.start_run(run(epochs=5), 3, 10)
    progress.epoch(3, ROW)
    assert "10/20" in stream.getvalue()


def test_steps_are_drawn_ten_times_a_second_at_most(clock):
    stream = Terminal()
    progress = logs.progress(0, [run()], stream)
    progress.start_run(run(), 0, 100_000)
    progress.step(0, 0)
    drawn = len(stream.getvalue())
    for step in range(1, 1000):
        clock.now += 0.99 * logs.REDRAW_S / 1000
        progress.step(0, step)
    assert len(stream.getvalue()) == drawn
    clock.now += 0.02 * logs.REDRAW_S
    progress.step(0, 1000)
    assert "1001/200000" in stream.getvalue()


def test_what_loggers_say_is_shown_while_a_block_runs(capsys):
    logger = logging.getLogger("gradwire.anything")
    with logs.shown(logs.progress(0, [])):
        logger.info("preparing %s", "flights")
        logger.debug("not this")
    logger.warning("after")
    assert capsys.readouterr().err.startswith("preparing flights\n")
    assert logging.getLogger("gradwire").handlers == []
    assert logging.getLogger("gradwire").level == logging.NOTSET

"""A rank that hangs while the others wait for it: the watchdog says which, where and for how long, and ends all."""

import pytest

QUICK = ("--watchdog", "3")
WAITING = r"while 1 rank waits for it; stopped by the watchdog \(limit 3 s, --watchdog\)$"


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        ("compute:12@1=sleep", r"rank 1 \(\S+\) hangs: in compute of step 1 of epoch 1 for [3-9] s \(gradwire_faults.py:\d+ _strike\)"),
        ("update:13@0=loop", r"rank 0 \(\S+\) hangs: in update of step 2 of epoch 1 for [3-9] s"),
    ],
)
def test_a_rank_that_sleeps_or_loops(launch, fault, place):
    launch(*QUICK, fault=fault).ended().check(f"^gradwire: {place}, {WAITING}", rows=1)


@pytest.mark.parametrize("how", ["stop", "stuck"])
def test_a_rank_that_cannot_answer(launch, how):
    outcome = launch(*QUICK, ranks=3, fault=f"encode:12@1={how}").ended()
    outcome.check(
        r"^gradwire: rank 1 \(\S+\) hangs: it does not answer \(stopped, or stuck in compiled code\), while 2 ranks wait for it "
        r"in wait of step 1 of epoch 1 for [3-9] s; stopped by the watchdog \(limit 3 s, --watchdog\)$",
        rows=1,
    )


def test_a_rank_that_hangs_between_steps(launch):
    launch("--watchdog", "0.5", fault="evaluate:2@1=sleep").ended().check(
        r"^gradwire: rank 1 \(\S+\) hangs: after step 10 of epoch 1 for [5-9] s \(gradwire_faults.py:\d+ _strike\), while 1 rank waits for it; "
        r"stopped by the watchdog \(limit 0.5 s, --watchdog\)$",
        rows=1,
    )


def test_all_ranks_hang(launch):
    launch("--watchdog", "0.5", fault="compute:12@all=loop").ended().check(
        r"^gradwire: rank 0 \(\S+\) hangs: in compute of step 1 of epoch 1 for [5-9] s .*; rank 1 \(\S+\) hangs: in compute of step 1 of epoch 1",
        rows=1,
    )


def test_the_default_limit_is_below_thirty_seconds(launch):
    outcome = launch(fault="compute:12@1=stop").ended()
    outcome.check(r"^gradwire: rank 1 \(\S+\) hangs: it does not answer .*; stopped by the watchdog \(limit 20 s, --watchdog\)$", rows=1)
    assert outcome.elapsed > 20


def test_an_mpi_library_that_keeps_threads_out(launch):
    launch(*QUICK, ranks=3, fault="compute:12@1=sleep", MPI4PY_RC_THREAD_LEVEL="serialized").ended().check(
        r"^gradwire: rank 1 \(\S+\) hangs: in compute of step 1 of epoch 1 for 3 s .*; stopped by the watchdog", rows=1
    )


def test_slow_is_not_hanging(launch):
    """A step longer than the limit that all ranks take, one after the other, and a rank that is late by less than the limit."""
    outcome = launch("--watchdog", "1", fault="compute:12@all=nap 2").ended()
    outcome.check("", status=0, rows=3)
    launch("--watchdog", "3", "--set", "run.seed=2", fault="compute:12@1=nap 2", results=outcome.launch.results.parent / "other").ended().check(
        "", status=0, rows=3
    )


def test_no_watchdog(launch):
    launch("--watchdog", "0", fault="compute:12@1=nap 3").ended().check("", status=0, rows=3)

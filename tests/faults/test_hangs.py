"""A rank that hangs while the others wait for it: the watchdog says which, where and for how long, and ends all."""

import pytest

QUICK = ("--watchdog", "2")
STOPPED = r"; stopped by the watchdog \(limit 2 s, --watchdog\)$"


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        ("compute:12@1=sleep", r"rank 1 \(\S+\) hangs: in compute of step 1 of epoch 1 for [2-9] s \(gradwire_faults.py:\d+ _strike\)"),
        ("update:12@0=loop", r"rank 0 \(\S+\) hangs: in update of step 1 of epoch 1 for [2-9] s \(gradwire_faults.py:\d+ _strike\)"),
    ],
    ids=["sleeps", "loops"],
)
def test_a_rank_that_sleeps_or_loops(launch, fault, place):
    launch(*QUICK, fault=fault).ended().check(f"^gradwire: {place}, while 1 rank waits for it{STOPPED}", rows=1)


def test_a_rank_stuck_in_compiled_code(launch):
    launch(*QUICK, ranks=3, fault="encode:8@1=stuck").ended().check(
        r"^gradwire: rank 1 \(\S+\) hangs: it does not answer \(stopped, or stuck in compiled code\), while 2 ranks wait for it "
        rf"in wait of step 1 of epoch 1 for [2-9] s{STOPPED}",
        rows=1,
    )


def test_a_stopped_rank_within_the_default_limit(launch):
    outcome = launch(fault="compute:12@1=stop").ended()
    outcome.check(
        r"^gradwire: rank 1 \(\S+\) hangs: it does not answer \(stopped, or stuck in compiled code\), while 1 rank waits for it "
        r"in wait of step 1 of epoch 1 for 2\d s; stopped by the watchdog \(limit 20 s, --watchdog\)$",
        rows=1,
    )
    assert outcome.elapsed > 20


def test_a_rank_that_hangs_between_steps(launch):
    launch("--watchdog", "0.4", fault="evaluate:2@1=sleep").ended().check(
        r"^gradwire: rank 1 \(\S+\) hangs: after step 10 of epoch 1 for [4-9] s \(gradwire_faults.py:\d+ _strike\), while 1 rank waits for it; "
        r"stopped by the watchdog \(limit 0.4 s, --watchdog\)$",
        rows=1,
    )


def test_all_ranks_hang(launch):
    launch("--watchdog", "0.4", fault="compute:12@all=loop").ended().check(
        r"^gradwire: rank 0 \(\S+\) hangs: in compute of step 1 of epoch 1 for \d+ s .*; rank 1 \(\S+\) hangs: in compute of step 1 of epoch 1 for .*;"
        r" stopped by the watchdog",
        rows=1,
    )


def test_an_mpi_library_that_keeps_threads_out(launch):
    launch(*QUICK, ranks=3, fault="compute:8@1=sleep", MPI4PY_RC_THREAD_LEVEL="serialized").ended().check(
        rf"^gradwire: rank 1 \(\S+\) hangs: in compute of step 1 of epoch 1 for [2-9] s \(gradwire_faults.py:\d+ _strike\){STOPPED}",
        status=(1, 1 | 9),
        rows=1,
    )


def test_slow_is_not_hanging(launch):
    """A step that takes longer than the limit on all ranks alike, and is none that waits."""
    launch("--watchdog", "0.5", fault="compute:12@all=nap 1.5").ended().check("", status=0, rows=3)

"""A rank that raises, in any phase; all ranks that raise; a NaN; no memory. The message comes once, and names the rank."""

import pytest

TOLD = r"^gradwire: rank 1: unexpected error$"


@pytest.mark.parametrize("fault", ["compute:12", "decode:24", "update:12", "evaluate:2"])
def test_one_rank_that_raises(launch, fault):
    outcome = launch(fault=f"{fault}@1=raise").ended()
    outcome.check(TOLD, rows=1)
    assert outcome.err.count("Traceback") == 1 and "RuntimeError: the fault that was wanted" in outcome.err


def test_rank_0_that_raises_while_the_others_wait(launch):
    launch(ranks=3, fault="update:8@0=refuse").ended().check(
        r"^gradwire: rank 0: the refusal that was wanted \(in step 1 of epoch 1\)$", rows=1
    )


def test_all_ranks_that_raise(launch):
    outcome = launch(ranks=3, fault="compute:8@all=raise").ended()
    outcome.check(r"^gradwire: rank 0: unexpected error$", rows=1)
    assert outcome.err.count("Traceback") == 1


def test_a_rank_that_cannot_encode(launch):
    launch(fault="encode:12@1=raise").ended().check(
        r"^gradwire: rank 0: rank 1: RuntimeError: the fault that was wanted \(in step 1 of epoch 1\)$", rows=1
    )


def test_a_nan_in_a_gradient(launch):
    launch(fault="compute:15@1=nan").ended().check(
        r"^gradwire: rank 0: .*expected finite values, got nan at key \d+ on rank 1 \(in step 4 of epoch 1\)$", rows=1
    )


def test_no_memory(launch):
    launch(fault="compute:12@1=memory").ended().check(r"^gradwire: rank 1: out of memory: Unable to allocate 1.00 EiB", rows=1)


def test_an_error_that_the_watchdog_leaves_to_its_rank(launch):
    """Later ranks speak later; the others wait for longer than the limit until this one does."""
    outcome = launch("--watchdog", "0.1", ranks=4, fault="compute:6@3=raise").ended()
    outcome.check(r"^gradwire: rank 3: unexpected error$", rows=1)

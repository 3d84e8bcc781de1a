"""The prepared data set changes while ranks have it mapped."""

import shutil

import pytest

AGAIN = r"; remove \S+ to have it prepared again$"


@pytest.mark.parametrize("ranks", ["1", "all"])
def test_a_file_that_is_cut_off(launch, cache, ranks):
    """Reading beyond its end is SIGBUS, on whichever rank reads first."""
    outcome = launch(fault=f"compute:12@{ranks}=cut {cache}/train_indices.npy", GRADWIRE_CACHE=str(cache.parent)).ended()
    outcome.check(
        rf"^gradwire: rank [01]: damaged cache: {cache}/train_indices.npy was cut off while this run read it{AGAIN}",
        status=(1, 1 | 9),
        rows=1,
    )


@pytest.mark.parametrize(("how", "what"), [("touch", "has changed"), ("remove", "is no longer there"), ("replace", "has changed")])
def test_a_file_that_changes(launch, cache, how, what):
    shutil.copy(cache / "train_labels.npy", cache / "train_labels.npy.new")
    outcome = launch(fault=f"compute:12@1={how} {cache}/train_labels.npy", GRADWIRE_CACHE=str(cache.parent)).ended()
    outcome.check(rf"^gradwire: rank \d: damaged cache: {cache}/train_labels.npy {what} since this run began to read it{AGAIN}", rows=1)

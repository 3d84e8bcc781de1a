"""A real run that is warned: it keeps a checkpoint in the middle of an epoch, ends with 75, is requeued, and ends as if never stopped."""

import importlib.util
from pathlib import Path

import pytest

_specification = importlib.util.spec_from_file_location("slurm_test_submit", Path(__file__).with_name("test_submit.py"))
_submit = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(_submit)


@pytest.mark.parametrize("launcher", ["srun", "mpiexec"])
def test_a_warned_job_goes_on_by_itself(slurm, checkout, workstation, launcher):
    job, path = _submit.long_job(slurm, checkout, f'launcher = "{launcher}"\n')
    _submit.begun(slurm, job, path)
    slurm.call("scancel", "--signal=USR1", job)
    assert slurm.ended(job) == ["COMPLETED"], slurm.logs(job)
    assert slurm.job(job)[0]["Restarts"] == "1", slurm.logs(job)
    _submit.assert_same(checkout / "results", workstation(2, *_submit.LONG))

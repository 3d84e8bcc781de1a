"""Ranks that are not alike, and launchers that are not MPI's: refused before anything is written."""

import os
from pathlib import Path

import pytest

ALIKE = r"^gradwire: expected the same on all ranks: "


def version(folder, name):
    """An environment in which the distribution `name` has another version."""
    info = folder / "other" / f"{name}-9.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 9.9\n")
    plugins = Path(__file__).parent / "plugins"
    return {"PYTHONPATH": os.pathsep.join([str(info.parent), str(plugins)])}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([(), (), ("--set", "run.epochs=2")], r"run.epochs is 3 on ranks 0-1, 2 on rank 2$"),
        ([(), ("--codec", "natural"), ()], r"codec.uplink is raw\+faulty on ranks 0,2, natural on rank 1$"),
        ([(), ("--resume",), ()], r"--resume is False on ranks 0,2, True on rank 1$"),
        (
            [(), (), ("--set", "sweep.run.seed=[1, 2]")],
            r"number of runs is 1 on ranks 0-1, 2 on rank 2; run.seed is 0 on ranks 0-1, 1, 2 on rank 2$",
        ),
    ],
    ids=["set", "codec", "resume", "sweep"],
)
def test_ranks_that_want_different_runs(launch, parts, said):
    launch(parts=[({}, more) for more in parts]).ended().check(ALIKE + said, status=2, rows=None)


def test_a_configuration_that_is_wrong_on_one_rank(launch):
    launch(parts=[({}, ()), ({}, ("--set", "run.epochs=0"))]).ended().check(
        r"^gradwire: .*run.epochs: expected .* ≥ 1", status=2, rows=None
    )


@pytest.mark.parametrize("name", ["gradwire", "numpy", "gradwire-faults"])
def test_ranks_with_other_versions(launch, tmp_path, name):
    found = {"gradwire-faults": "plug-in gradwire-faults is 1.0"}.get(name, rf"{name} is \S+")
    other = version(tmp_path, name.replace("-", "_"))
    if name == "gradwire-faults":
        (tmp_path / "other" / "gradwire_faults-9.9.dist-info" / "entry_points.txt").write_text(
            (Path(__file__).parent / "plugins/gradwire_faults-1.0.dist-info/entry_points.txt").read_text()
        )
    outcome = launch(parts=[({}, ()), (other, ()), ({}, ())]).ended()
    outcome.check(rf"{ALIKE}{found} on ranks 0,2, 9.9 on rank 1$", status=2, rows=None)


def test_an_experiment_file_that_differs_on_one_host(launch, world, tmp_path):
    other = tmp_path / "trial.toml"
    other.write_text((world / "trial.toml").read_text().replace("lr = 0.5", "lr = 0.25"))
    launch(parts=[({}, ()), ({}, ())], files=[world / "trial.toml", other]).ended().check(
        rf"{ALIKE}optimizer.lr is 0.5 on rank 0, 0.25 on rank 1$", status=2, rows=None
    )


def test_an_open_mpi_launcher_around_mpich(launch):
    """Every process sees a world of 1: the launcher's first one speaks."""
    parts = [({"OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_SIZE": "2"}, ()) for rank in range(2)]
    launch(parts=parts, alone=True).ended().check(
        r"^gradwire: Open MPI's mpiexec started 2 processes but MPI sees 1: launcher and MPI library do not match. Start it with \S+mpiexec",
        status=2, rows=None,
    )  # fmt: skip


def test_a_launcher_whose_ranks_mpi_does_not_see(launch):
    launch(parts=[({"PMI_RANK": "0", "PMI_SIZE": "2"}, ())], alone=True).ended().check(
        r"^gradwire: mpiexec started 2 processes but MPI sees 1: launcher and MPI library do not match", status=2, rows=None
    )


def test_an_option_that_is_wrong_on_one_rank(launch):
    launch(parts=[({}, ()), ({}, ("--frob",)), ({}, ())]).ended().check(
        "^gradwire: unrecognized arguments: --frob; `gradwire run --help` lists what there is$", status=2, rows=None
    )

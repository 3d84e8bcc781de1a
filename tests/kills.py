"""Kill a run at random moments, resume it each time, and compare what comes out with a run that nobody touched.

    python tests/kills.py -n 200 --seed 1          (make kills KILLS=200)

A kill is drawn at random: SIGKILL to all processes of the launch, to one rank, or to mpiexec alone; SIGTERM or SIGUSR1 to mpiexec, which
hands it on. After each, within seconds, no process of the launch may be left; the run file must open, its rows must be those of the
untouched run to the last bit (all columns but times), and none may be missing that was there before. What resumes must begin with the
epoch after the last row, and after a stop by signal with the step after which it was stopped. At the end the parameters must be identical.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import gradwire as gw
from gradwire.launch import STOPPED, find_mpiexec

MARK = "GRADWIRE_KILLS"
DIM, ROWS, EPOCHS = 3000, 20000, 5
CONFIGS = (
    ("topk(ratio=0.1)+bitflag+natural", "codec.momentum=0.9", "optimizer.name=sgd"),
    ("skcompress", "codec.downlink=same"),
    ("fastsgd", "collective.name=reduce_scatter"),
    ("onebit", "collective.name=allgather", "run.local_steps=4"),
    ("sketchml", "codec.downlink=natural"),
    ("qsgd", "collective.name=hierarchical"),
)
KILLS = ("all", "rank", "mpiexec", "TERM", "USR1")
_STOPPED_AT = re.compile(r"stopped in epoch (\d+) after step (\d+) of")


def write_experiment(folder):
    """An experiment of some seconds on two ranks."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=DIM)
    lines = []
    for _ in range(ROWS):
        keys = np.sort(rng.choice(DIM, 12, replace=False))
        label = int(weights[keys].sum() + rng.normal() > 0)
        lines.append(f"{label} " + " ".join(f"{key}:1" for key in keys))
    (folder / "rows.svm").write_text("\n".join(lines) + "\n")
    path = folder / "kills.toml"
    path.write_text(
        f'[data]\nname = "libsvm"\ntrain = "{folder / "rows.svm"}"\ntest_fraction = 0.25\nn_features = {DIM}\nzero_based = true\n'
        f"[optimizer]\nlr = 0.02\n[codec]\nerror_feedback = true\n[run]\nepochs = {EPOCHS}\nbatch_size = 4\nvnmse_samples = 3\n"
    )
    return path


def start(folder, config, results, *extra):
    """The launch of one run, marked so that its processes can be found."""
    uplink, *overrides = config
    command = [find_mpiexec(), "-n", "2", sys.executable, "-m", "gradwire", "run", str(folder / "kills.toml"), "--codec", uplink]
    command += [word for override in overrides for word in ("--set", override)]
    environ = os.environ | {MARK: str(folder), "GRADWIRE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    environ.pop("COVERAGE_PROCESS_START", None)
    with open(folder / "err", "w") as err:
        return subprocess.Popen(
            [*command, "--results", str(results), *extra], env=environ, start_new_session=True, stdout=subprocess.DEVNULL, stderr=err
        )


def processes(folder):
    """{pid: command line} of all processes of the launches in `folder`."""
    wanted, found = f"{MARK}={folder}".encode(), {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended
            continue
    return {pid: text for pid, text in found.items() if text}


def kill(process, how, folder, rng):
    """End the launch in one of the ways of KILLS."""
    ours = processes(folder)
    ranks = [pid for pid, text in ours.items() if "-m gradwire run" in text and "mpiexec" not in text]
    if how in ("TERM", "USR1", "mpiexec"):
        pids, number = [process.pid], getattr(signal, f"SIG{how}", signal.SIGKILL)
    else:
        pids, number = (rng.sample(ranks, 1) if ranks and how == "rank" else list(ours)), signal.SIGKILL
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def wait_for_silence(folder, seconds=30):
    """Until no process of the launch is left; AssertionError if one stays."""
    limit = time.monotonic() + seconds
    while left := processes(folder):
        assert time.monotonic() < limit, f"still running {seconds} s after the kill: {left}"
        time.sleep(0.02)


def check_rows(path, whole):
    """Number of rows of the run file, after comparing them with the same rows of the untouched run."""
    if not path.exists():
        return 0
    run = gw.load_run(path)
    rows = len(run.epochs["test_loss"])
    for name, column in run.epochs.items():
        if not name.endswith("_s") and name != "warmup":
            assert np.array_equal(column, whole.epochs[name][:rows], equal_nan=True), f"{path}: {name} differs from the untouched run"
    return rows


def resumed_at(path):
    """[(epoch, step)] that the run went on with, in order."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        groups = sorted(file["environment"].values(), key=lambda group: int(group.name.rpartition("-")[2]))
        return [(int(group.attrs["epoch"]), int(group.attrs["step"])) for group in groups]


def torture(folder, config, kills, rng, say):
    """Kill and resume one run until `kills` have hit or it is done; how many have hit, by kind."""
    results = folder / "cut"
    shutil.rmtree(results, ignore_errors=True)
    (whole,) = (folder / "whole" / config[0]).rglob("*.h5")
    whole = gw.load_run(whole)
    path = results / whole.path.relative_to(folder / "whole" / config[0])
    hit, rows, stopped = dict.fromkeys(KILLS, 0), 0, None
    while True:
        how = rng.choice(KILLS) if sum(hit.values()) < kills else None
        process, resumptions = start(folder, config, results, "--resume"), len(resumed_at(path)) if path.exists() else 0
        try:
            if how:
                process.wait(rng.uniform(0.3, 4.0))
            code = process.wait(600 if not how else 0)
        except subprocess.TimeoutExpired:
            kill(process, how, folder, rng)
            code = process.wait(120)  # a signal that nobody hears yet lets the run go on to its end
            hit[how] += 1
        wait_for_silence(folder)
        said = (folder / "err").read_text()
        now = check_rows(path, whole)
        assert now >= rows, f"{rows} rows were recorded, {now} are left"
        if path.exists() and len(places := resumed_at(path)) > resumptions:
            expected = stopped or (rows, 0)
            assert places[-1] == expected, f"expected to go on at (epoch, step) {expected}, it went on at {places[-1]}"
        rows = now
        match = _STOPPED_AT.search(said)
        if match:
            stopped = int(match[1]) - 1, int(match[2])
        elif stopped and stopped[0] < rows:
            stopped = None
        if code == 0:
            break
        assert how, f"ended with {code} though nobody killed it: {said}"
        if how in ("TERM", "USR1") and match:
            assert code == STOPPED, f"status {code} after {how}"
    found = gw.load_run(path)
    assert found.final_params_sha256 == whole.final_params_sha256 and rows == EPOCHS
    left = [str(path) for pattern in ("*.ckpt", "*.part") for path in results.rglob(pattern)]
    assert not left, f"left behind: {left}"
    say(f"{config[0]}: {sum(hit.values())} kills ({', '.join(f'{how} {n}' for how, n in hit.items())}), identical at the end")
    return sum(hit.values())


def main(kills, seed, folder, say):
    """Kill `kills` times, over all CONFIGS in turn."""
    rng = random.Random(seed)
    write_experiment(folder)
    done, began = 0, time.monotonic()
    for number in range(10 * kills):
        config = CONFIGS[number % len(CONFIGS)]
        if not (folder / "whole" / config[0]).exists():
            assert start(folder, config, folder / "whole" / config[0]).wait(600) == 0, (folder / "err").read_text()
        done += torture(folder, config, min(12, kills - done), rng, say)
        if done >= kills:
            break
    say(f"{done} kills in {time.monotonic() - began:.0f} s: all as if nothing had happened")
    return done


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=200, help="number of kills (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        main(options.n, options.seed, Path(temporary), lambda text: sys.stdout.write(f"{text}\n"))

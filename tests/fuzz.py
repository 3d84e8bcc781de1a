"""Fuzzing: damaged payloads and messages to every decoder, at every SIMD level, and damaged files and texts to all that reads them.

Only a result that is valid will do, or the error that is meant for it: CorruptMessage, DataError for files, ConfigError for texts.

    make fuzz                                  10⁶ inputs to each family under AddressSanitizer and UBSan
    make fuzz FUZZ_N=20000 FUZZ_ARGS="--family keys --family sketches"
    python tests/fuzz.py -n 20000              the same without sanitizers
    python tests/fuzz.py --family keys --spec "mine(level=3)"      one part, a plug-in for example
    python tests/fuzz.py --family keys --seed 0 --only 1234        one input again, here in this process

Input number i of a family depends on (seed, family, i) alone. A family's inputs go to its targets in turn. Each input is decoded at
every SIMD level, and all levels must give the same. "Other" is everything that must not happen: another exception, an impossible
result, a crash, a sanitizer's report, a time over the limit, memory out of proportion to the input.

This process counts and watches; a child decodes. When the child dies or does not come back from an input it is started again with
the next one, so one fault does not end the run. There is no coverage guidance: that needs Clang, which instruments C for libFuzzer.
"""

import argparse
import mmap
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import tracemalloc
from pathlib import Path

import fuzz_families
import fuzz_files

import gradwire
from gradwire.testing import inputs

FAMILIES = fuzz_families.FAMILIES | fuzz_files.FAMILIES
STATE = struct.Struct("<4Q")  # number of the input, and how many were accepted, refused, other
MOST_FAULTS = 20


def targets(family, spec=None):
    """All targets of a family, or the one that `spec` names."""
    make, specs = (FAMILIES | fuzz_files.FOREIGN)[family]
    return [make(each) for each in ([spec] if spec else dict.fromkeys(specs()))]


def damaged(target, seed, family, number):
    return target.damaged(random.Random(f"{seed}/{family}/{number}"))


def outcome(target, data):
    """(whether it was accepted, what stands for the result, number of values)"""
    try:
        return True, *target.decode(data)
    except target.refusals:
        return False, b"", 0


def judge(target, data, time_limit):
    """True if accepted, False if refused; AssertionError for what must not be."""
    size = len(data[0] if isinstance(data, tuple) else data)
    began, seen = time.perf_counter(), {}
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    for level in inputs.levels():
        seen[level] = outcome(target, data)
    used = tracemalloc.get_traced_memory()[1] - before
    first = next(iter(seen.values()))
    assert all(each == first for each in seen.values()), f"levels differ: {[(name, each[0]) for name, each in seen.items()]}"
    assert used <= inputs.allowance(size) + 64 * first[2], f"{used} bytes allocated for {size} bytes of input"
    assert time.perf_counter() - began <= time_limit, f"took {time.perf_counter() - began:.1f} s"
    return first[0]


def decode_all(args, family, state, start):
    """The child: decode inputs start … n − 1; the state is in shared memory, faults go to standard output."""
    made = targets(family, args.spec)
    counts = list(STATE.unpack_from(state)[1:])
    tracemalloc.start()
    for number in range(start, args.n):
        STATE.pack_into(state, 0, number, *counts)
        target = made[number % len(made)]
        try:
            counts[0 if judge(target, damaged(target, args.seed, family, number), args.time_limit) else 1] += 1
        except Exception as error:
            counts[2] += 1
            print(f"{target.name}, input {number}: {type(error).__name__}: {error}", flush=True)
    STATE.pack_into(state, 0, args.n, *counts)


def watch(args, family):
    """The parent: {accepted, refused, other} of one family. Starts children until all inputs are done."""
    faults, counts = 0, [0, 0, 0]
    with tempfile.NamedTemporaryFile() as shared, tempfile.TemporaryFile("w+") as errors:
        shared.truncate(STATE.size)
        with mmap.mmap(shared.fileno(), STATE.size) as state:
            start = 0
            while start < args.n and faults < MOST_FAULTS:
                errors.truncate(errors.seek(0))
                command = [sys.executable, *sys.argv, "--family", family, "--child", shared.name, "--start", str(start)]
                child = subprocess.Popen(command, stderr=errors)
                hung = _wait(child, state, args.time_limit + args.patience)
                number, *counts = STATE.unpack_from(state)
                start = number + 1
                if number < args.n:
                    faults += 1
                    counts[2] += 1
                    STATE.pack_into(state, 0, start, *counts)
                    errors.seek(0)
                    _tell_crash(args, family, number, "did not come back" if hung else f"ended with {child.returncode}", errors.read())
    if faults == MOST_FAULTS:
        print(f"{family}: gave up after {faults} crashes or hangs, {args.n - start} inputs were not tried")
    return counts


def _wait(child, state, patience):
    """True if the child had to be ended because it stayed at one input (or at its start) too long."""
    last, since = None, time.monotonic()
    while child.poll() is None:
        time.sleep(0.05)
        now = bytes(state[:8])
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > patience:
            child.kill()
            child.wait()
            return True
    return False


def _tell_crash(args, family, number, what, errors):
    report = [
        line for line in errors.splitlines() if "runtime error" in line or "ERROR: " in line or "SUMMARY: " in line or " in gw_" in line
    ]
    print(f"input {number}: {what}", *(report or errors.splitlines())[-8:], sep="\n    ")
    again = f"--family {family} --seed {args.seed} --only {number}" + (f' --spec "{args.spec}"' if args.spec else "")
    print(f"    again: python tests/fuzz.py {again}   or: make fuzz FUZZ_ARGS='{again}'", flush=True)


def once(args, family):
    """One input in this process, with all that is known about it."""
    made = targets(family, args.spec)
    target = made[args.only % len(made)]
    data = damaged(target, args.seed, family, args.only)
    print(f"{family} {target.name}, input {args.only} of seed {args.seed}: {data!r}", flush=True)
    tracemalloc.start()
    try:
        print("accepted" if judge(target, data, args.time_limit) else "refused")
        return 0
    except Exception:
        traceback.print_exc()
        return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=10**6, help="inputs for each family (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", action="append", choices=FAMILIES | fuzz_files.FOREIGN, help="may be repeated; default: all but hdf5")
    parser.add_argument("--spec", help="only this configuration; needs one --family")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="this input again, in this process; needs one --family")
    parser.add_argument("--time-limit", type=float, default=10.0, metavar="S", help="for one input (default: %(default)s s)")
    parser.add_argument(
        "--patience", type=float, default=60.0, metavar="S", help="more than that, before a child is ended (default: %(default)s s)"
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    families = args.family or list(FAMILIES)
    if args.child:
        with open(args.child, "r+b") as shared, mmap.mmap(shared.fileno(), STATE.size) as state:
            return decode_all(args, families[-1], state, args.start)
    if (args.spec or args.only is not None) and len(families) != 1:
        parser.error("--spec and --only need one --family")
    if args.only is not None:
        return once(args, families[0])
    sanitized = "libasan" in os.environ.get("LD_PRELOAD", "")
    print(
        f"gradwire {gradwire.__version__} in {Path(gradwire.__file__).parent}, sanitizers: {'yes' if sanitized else 'no'}, seed {args.seed}"
    )
    print(f"{'family':<12}{'inputs':>10}{'accepted':>10}{'refused':>10}{'other':>8}{'seconds':>9}", flush=True)
    total = 0
    for family in families:
        began = time.monotonic()
        accepted, refused, other = watch(args, family)
        total += other
        done = accepted + refused + other
        print(f"{family:<12}{done:>10}{accepted:>10}{refused:>10}{other:>8}{time.monotonic() - began:>9.0f}", flush=True)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())

"""Plug-ins that do what the environment variable FAULT says, "PHASE:CALL@RANK=WHAT": at that call of that phase (from 0), on that rank.

PHASE: compute, encode, decode, update, evaluate. RANK: a number or "all". WHAT: see `_strike`. Without FAULT, or until then, they are
logistic regression, SGD and 32-bit values. In FAULTS_SEEN, a folder, a file appears when the fault strikes.
"""

import ctypes
import itertools
import os
import re
import signal
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gradwire as gw
from gradwire.codecs.values.fp32 import Float32Values
from gradwire.models.logistic import Logistic
from gradwire.optimizers.sgd import SGD

_calls = defaultdict(itertools.count)


def now(phase):
    """What is to happen in this call of `phase`, None if nothing."""
    plan = re.fullmatch(r"(\w+):(\d+)@(\w+)=(.+)", os.environ.get("FAULT", ""))
    call = next(_calls[phase])
    if not plan or (plan[1], int(plan[2])) != (phase, call) or plan[3] not in ("all", os.environ["PMI_RANK"]):
        return None
    return plan[4]


def strike(phase):
    """Does it; returns "nan" where the caller must."""
    what = now(phase)
    if what is None:
        return None
    if "FAULTS_SEEN" in os.environ:
        Path(os.environ["FAULTS_SEEN"], f"{phase}-{os.environ['PMI_RANK']}").touch()
    return _strike(what)


def _strike(what):
    name, _, path = what.partition(" ")
    if name == "raise":
        raise RuntimeError("the fault that was wanted")
    if name == "refuse":
        raise gw.DataError("the refusal that was wanted")
    if name == "memory":
        np.empty(1 << 60, np.uint8)
    if name in ("stop", "kill", "term"):
        os.kill(os.getpid(), {"stop": signal.SIGSTOP, "kill": signal.SIGKILL, "term": signal.SIGTERM}[name])
    if name == "sleep":
        time.sleep(3600)
    if name == "nap":
        time.sleep(float(path))
    while name == "loop":
        pass
    if name == "stuck":
        ctypes.PyDLL(None).sleep(3600)  # unlike CDLL it keeps the interpreter's lock
    if name == "exit":
        os._exit(3)
    if name == "cut":
        os.truncate(path, 128)
    if name == "touch":
        os.utime(path)
    if name == "replace":
        os.replace(f"{path}.new", path)
    if name == "remove":
        os.remove(path)
    if name == "fill":
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
    return name


@dataclass(frozen=True)
class FaultyModel(Logistic):
    name = "faulty"

    def gradient(self, params, data, rows):
        what = strike("compute")
        gradient, loss = super().gradient(params, data, rows)
        if what == "nan":
            gradient.values[3] = np.nan
        return gradient, loss

    def evaluate(self, params, data, start, stop):
        strike("evaluate")
        return super().evaluate(params, data, start, stop)


@dataclass(frozen=True)
class FaultyOptimizer(SGD):
    name = "faulty"

    def _update(self, params, state, keys, values, lr):
        strike("update")
        super()._update(params, state, keys, values, lr)


@dataclass(frozen=True)
class FaultyValues(Float32Values):
    name = "faulty"

    def encode(self, values, keys, step):
        strike("encode")
        return super().encode(values, keys, step)

    def decode(self, payload, keys, step, nnz=None):
        strike("decode")
        return super().decode(payload, keys, step, nnz)

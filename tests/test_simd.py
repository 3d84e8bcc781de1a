"""The choice of the SIMD level. That all levels give equal bytes is tested with the golden messages and with each kernel."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gradwire as gw
from gradwire._ext import simd

SOURCES = Path(__file__).parents[1] / "cython_ext"


def included(path, found=()):
    """Names of our headers that a source names, at any depth."""
    for name in re.findall(r'(?:include|from|GW_KERNELS) "(\w+\.h)"', path.read_text()):
        if name not in found and (SOURCES / name).exists():
            found = included(SOURCES / name, (*found, name))
    return found


def test_every_module_with_levels_asks_for_the_level():
    """Else its kernels would run at the lowest for ever."""
    asking = [path for path in SOURCES.glob("*.pyx") if path.stem != "simd" and "levels.h" in included(path)]
    assert len(asking) > 10
    assert [path.name for path in asking if "\ngw_import_simd()\n" not in path.read_text()] == []


def test_the_environment_chooses_the_level():
    command = [sys.executable, "-c", "from gradwire._ext import simd; print(simd.level())"]
    run = subprocess.run(command, env=os.environ | {"GRADWIRE_SIMD": "scalar"}, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "scalar"


def test_a_level_that_is_not_there_is_refused():
    with pytest.raises(gw.ConfigError, match="unknown SIMD level of this machine 'avx3'.*known: "):
        simd.use("avx3")
    gradwire = [sys.executable, "-m", "gradwire", "list", "keys"]
    run = subprocess.run(gradwire, env=os.environ | {"GRADWIRE_SIMD": "avx3"}, capture_output=True, text=True)
    assert run.returncode == 2 and "unknown SIMD level of this machine 'avx3'" in run.stderr and "Traceback" not in run.stderr

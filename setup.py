"""The compiled kernels: every cython_ext/NAME.pyx becomes the module gradwire._ext.NAME. All other metadata is in pyproject.toml."""

import os
import re
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# No -march=native: one wheel runs on every machine of its architecture. No -ffast-math, and no contraction of a*b+c into one
# rounding: encoders must emit equal bytes everywhere. -fno-math-errno lets sqrt vectorise and changes no result.
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"]

SOURCES = Path("cython_ext")


def headers(source, found=None):
    """The headers of ours that a source names, at any depth: a change in one builds only the modules that use it."""
    found = set() if found is None else found
    for name in re.findall(r'"(\w+\.h)"', source.read_text()):
        path = SOURCES / name
        if str(path) not in found and path.exists():
            found.add(str(path))
            headers(path, found)
    return sorted(found)


extensions = [
    Extension(
        f"gradwire._ext.{path.stem}",
        [str(path)],
        include_dirs=["cython_ext"],
        depends=headers(path),
        extra_compile_args=FLAGS,
    )
    for path in sorted(SOURCES.glob("*.pyx"))
]

# The code behind typed memoryviews, once for all modules: a third of the time to build.
SHARED = "gradwire._ext.cyutility"
extensions.append(Extension(SHARED, ["cython_ext/cyutility.c"], extra_compile_args=FLAGS))

setup(
    options={"build_ext": {"parallel": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1}},
    ext_modules=cythonize(
        extensions,
        shared_utility_qualified_name=SHARED,
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
        },
    ),
)

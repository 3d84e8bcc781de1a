"""The level at which kernels run (see simd.h): the highest that the machine has, or what GRADWIRE_SIMD names.

For tests and measurements; all levels give identical bytes. The level is one for the process and is not meant to be changed while
another thread encodes.
"""

import os

from cpython.pycapsule cimport PyCapsule_New

from ..errors import ConfigError, unknown

cdef extern from "simd.h":
    int gw_highest_level()

NAMES = ("scalar", "avx2", "avx512")
cdef int highest = gw_highest_level()
cdef int current = highest
LEVEL = PyCapsule_New(&current, b"gradwire._ext.simd.LEVEL", NULL)


def levels():
    """Names of the levels that this machine has, the lowest first."""
    return NAMES[: highest + 1]


def level():
    """Name of the level in use."""
    return NAMES[current]


def use(name):
    """Run kernels at this level from now on; returns the name of the one before. ConfigError if the machine does not have it."""
    global current
    before = NAMES[current]
    if name not in levels():
        raise ConfigError(unknown("SIMD level of this machine", name, levels()))
    current = NAMES.index(name)
    return before


def check():
    """ConfigError if GRADWIRE_SIMD named a level that this machine does not have. Not raised when this module is imported: importing the
    package does that, before a command can report anything."""
    if refused is not None:
        raise ConfigError(refused)


refused = None
if os.environ.get("GRADWIRE_SIMD"):
    try:
        use(os.environ["GRADWIRE_SIMD"])
    except ConfigError as error:
        refused = str(error)

"""Compiled kernels (sources in cython_ext/). Internal: the arguments are not checked; the parts that call them check."""

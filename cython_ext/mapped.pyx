"""What to say when a mapped file ends before its array does. See mapped.h for what happens then."""

from libc.stdint cimport uint64_t, uintptr_t

cdef extern from "mapped.h":
    void gw_mapped_clear()
    int gw_mapped_add(uintptr_t, uint64_t, const char *, size_t)
    void gw_mapped_install(long)


def explain(arrays, long delay_ms):
    """Instead of all earlier ones: for each (array, text) of mapped arrays, the process writes the text to standard error and ends with
    status 1, after delay_ms, when the array cannot be read. text: bytes. ValueError for more than 16 or a text of more than 4096 bytes."""
    cdef uintptr_t start
    gw_mapped_clear()
    for array, text in arrays:
        start = array.__array_interface__["data"][0]
        if gw_mapped_add(start, array.nbytes, text, len(text)):
            raise ValueError("expected at most 16 arrays with texts of at most 4096 bytes")
    gw_mapped_install(delay_ms)

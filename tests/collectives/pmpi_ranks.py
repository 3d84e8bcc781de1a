"""Run under mpiexec with pmpi_count.so preloaded: every collective with every codec; the ledger must say what the library counted."""

import ctypes
import sys

from test_collectives import exchanges, gradient

import gradwire as gw

counter = ctypes.CDLL(sys.argv[1])
counter.counted.restype = counter.unknown.restype = ctypes.c_longlong


def main():
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    tried = 0
    for collective, codec, exchange in exchanges(comm):
        for index, dense in enumerate((False, True)):
            g, step = gradient(comm.rank, index, dense), gw.Step(index, 1, comm.rank)
            if collective.startswith("hierarchical"):
                exchange.average(g, step)  # makes communicators, once
                exchange.ledger.reset()
            before = counter.counted()
            exchange.average(g, step)
            counted, ledger = counter.counted() - before, exchange.ledger
            if counted != ledger.sent + ledger.control:
                sys.exit(
                    f"rank {comm.rank}, {collective} {codec}: MPI was given {counted} bytes, the ledger says {ledger.sent} and {ledger.control}"
                )
            exchange.ledger.reset()
            tried += 1
    if counter.unknown():
        sys.exit(f"{counter.unknown()} calls that are not counted")
    if comm.rank == 0:
        sys.stdout.write(f"{tried} exchanges on {comm.size} ranks\n")


main()

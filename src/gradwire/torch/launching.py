"""init_process_group: torch.distributed under torchrun, mpiexec or srun, or alone.

PyTorch's wheels have no MPI backend. Under mpiexec and srun, MPI says only who is who and where they meet; gradients travel by gloo.
"""

import os
import socket
from datetime import timedelta

import torch.distributed as dist

from ..launch import check_world, launcher

_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def init_process_group(backend="gloo", timeout=None):
    """torch.distributed.init_process_group, with ranks from torchrun, else from MPI if mpiexec or srun started this, else one rank.

    backend: "gloo", or for CUDA "cpu:gloo,cuda:nccl". timeout: seconds that an operation may take; None is PyTorch's default.
    Under MPI the ranks meet at MASTER_ADDR if that is set, else at the name of rank 0's host, and at any free port. On hosts with several
    networks, GLOO_SOCKET_IFNAME names the interface that gloo uses. A collective call. ConfigError if MPI sees one of several processes.
    """
    options = {} if timeout is None else {"timeout": timedelta(seconds=timeout)}
    if all(name in os.environ for name in _TORCHRUN):
        dist.init_process_group(backend, **options)
    elif launcher() is None:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1, **options)
    else:
        _from_mpi(backend, options)


def _from_mpi(backend, options):
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    check_world(comm.size, 1 if comm.size == 1 else None)
    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    one_host = node.size == comm.size
    node.Free()
    if comm.rank == 0:
        address = os.environ.get("MASTER_ADDR") or ("127.0.0.1" if one_host else socket.getfqdn())
        store = dist.TCPStore(address, 0, comm.size, is_master=True, wait_for_workers=False, **options)
        comm.bcast((address, store.port))
    else:
        store = dist.TCPStore(*comm.bcast(None), comm.size, is_master=False, **options)
    dist.init_process_group(backend, store=store, rank=comm.rank, world_size=comm.size, **options)

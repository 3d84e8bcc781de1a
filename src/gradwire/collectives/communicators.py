"""Communicators of our own beside the caller's, made once for each and freed with it."""

_KEY = []


def kept(comm, name, make):
    """make(), a tuple that may hold communicators, kept under `name` with `comm` until that is freed. All ranks make alike."""
    from mpi4py import MPI

    if not _KEY:
        _KEY.append(MPI.Comm.Create_keyval(delete_fn=_free))
    known = comm.Get_attr(_KEY[0])
    if known is None:
        known = {}
        comm.Set_attr(_KEY[0], known)
    if name not in known:
        known[name] = make()
    return known[name]


def _free(comm, keyval, known):
    from mpi4py import MPI

    for made in known.values():
        for each in made:
            if isinstance(each, MPI.Comm) and each != MPI.COMM_NULL:
                each.Free()

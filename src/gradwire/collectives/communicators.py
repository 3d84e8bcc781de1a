"""Communicators of our own beside the caller's, made once for each and freed with it; and the caller's, seen by a Stopwatch."""

MEETING = "meeting"
"""What a Stopwatch says of a rank that is in a collective between steps."""

_KEY = []
_OUTSIDE_PHASES = ("Allreduce", "Barrier", "Dup", "Split", "Split_type", "allgather", "allreduce", "bcast", "gather")


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


def watched(comm, watch):
    """`comm` itself, but `watch` is told of the collectives that are called outside the phases of a step."""

    def telling(name):
        method = getattr(type(comm), name)

        def call(self, *arguments, **options):
            before = watch.part
            if before not in (None, "other"):
                return method(self, *arguments, **options)
            watch.note("wait" if before else MEETING)
            try:
                return method(self, *arguments, **options)
            finally:
                watch.note(before)

        return call

    return type("Watched", (type(comm),), {name: telling(name) for name in _OUTSIDE_PHASES})(comm)


def threads_may_talk():
    """Whether the MPI library lets several threads of a process call it at once."""
    from mpi4py import MPI

    return MPI.Query_thread() >= MPI.THREAD_MULTIPLE

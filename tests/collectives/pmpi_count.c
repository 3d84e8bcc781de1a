/* Counts, between a program and its MPI library, the bytes that each rank hands to MPI as a sender: the buffers' sizes at every call, by
 * MPI's profiling interface. Nothing of gradwire is in it. Loaded before the MPI library (LD_PRELOAD); read through counted().
 *
 * A broadcast counts at its root, a gather at every rank, an all-to-all the sum of its send counts. Barriers carry nothing. Some calls
 * that gradwire does not make are counted in unknown(), so that one that it begins to make is noticed.
 */
#include <mpi.h>

static long long bytes, strangers;

long long counted(void) { return bytes; }
long long unknown(void) { return strangers; }

static void add(long long n, MPI_Datatype type)
{
    MPI_Count size;
    PMPI_Type_size_x(type, &size);
    bytes += n * (long long)size;
}

static int size_of(MPI_Comm comm)
{
    int size;
    PMPI_Comm_size(comm, &size);
    return size;
}

static int is_root(int root, MPI_Comm comm)
{
    int rank;
    PMPI_Comm_rank(comm, &rank);
    return rank == root;
}

/* C: type of counts. D: of displacements. S: suffix. */
#define CALLS(C, D, S) \
    int MPI_Send##S(const void *b, C n, MPI_Datatype t, int d, int g, MPI_Comm c) { add(n, t); return PMPI_Send##S(b, n, t, d, g, c); } \
    int MPI_Isend##S(const void *b, C n, MPI_Datatype t, int d, int g, MPI_Comm c, MPI_Request *r) \
    { add(n, t); return PMPI_Isend##S(b, n, t, d, g, c, r); } \
    int MPI_Bcast##S(void *b, C n, MPI_Datatype t, int root, MPI_Comm c) \
    { if (is_root(root, c)) add(n, t); return PMPI_Bcast##S(b, n, t, root, c); } \
    int MPI_Allreduce##S(const void *b, void *o, C n, MPI_Datatype t, MPI_Op p, MPI_Comm c) \
    { add(n, t); return PMPI_Allreduce##S(b, o, n, t, p, c); } \
    int MPI_Allgather##S(const void *b, C n, MPI_Datatype t, void *o, C m, MPI_Datatype u, MPI_Comm c) \
    { add(n, t); return PMPI_Allgather##S(b, n, t, o, m, u, c); } \
    int MPI_Iallgather##S(const void *b, C n, MPI_Datatype t, void *o, C m, MPI_Datatype u, MPI_Comm c, MPI_Request *r) \
    { add(n, t); return PMPI_Iallgather##S(b, n, t, o, m, u, c, r); } \
    int MPI_Allgatherv##S(const void *b, C n, MPI_Datatype t, void *o, const C *m, const D *d, MPI_Datatype u, MPI_Comm c) \
    { add(n, t); return PMPI_Allgatherv##S(b, n, t, o, m, d, u, c); } \
    int MPI_Iallgatherv##S(const void *b, C n, MPI_Datatype t, void *o, const C *m, const D *d, MPI_Datatype u, MPI_Comm c, MPI_Request *r) \
    { add(n, t); return PMPI_Iallgatherv##S(b, n, t, o, m, d, u, c, r); } \
    int MPI_Gatherv##S(const void *b, C n, MPI_Datatype t, void *o, const C *m, const D *d, MPI_Datatype u, int root, MPI_Comm c) \
    { add(n, t); return PMPI_Gatherv##S(b, n, t, o, m, d, u, root, c); } \
    int MPI_Alltoall##S(const void *b, C n, MPI_Datatype t, void *o, C m, MPI_Datatype u, MPI_Comm c) \
    { add((long long)n * size_of(c), t); return PMPI_Alltoall##S(b, n, t, o, m, u, c); } \
    int MPI_Alltoallv##S(const void *b, const C *n, const D *e, MPI_Datatype t, void *o, const C *m, const D *d, MPI_Datatype u, MPI_Comm c) \
    { for (int i = 0; i < size_of(c); i++) add(n[i], t); return PMPI_Alltoallv##S(b, n, e, t, o, m, d, u, c); } \
    int MPI_Ssend##S(const void *b, C n, MPI_Datatype t, int d, int g, MPI_Comm c) { strangers++; return PMPI_Ssend##S(b, n, t, d, g, c); } \
    int MPI_Reduce##S(const void *b, void *o, C n, MPI_Datatype t, MPI_Op p, int root, MPI_Comm c) \
    { strangers++; return PMPI_Reduce##S(b, o, n, t, p, root, c); } \
    int MPI_Ibcast##S(void *b, C n, MPI_Datatype t, int root, MPI_Comm c, MPI_Request *r) \
    { strangers++; return PMPI_Ibcast##S(b, n, t, root, c, r); } \
    int MPI_Ialltoallv##S(const void *b, const C *n, const D *e, MPI_Datatype t, void *o, const C *m, const D *d, MPI_Datatype u, MPI_Comm c, \
                          MPI_Request *r) \
    { strangers++; return PMPI_Ialltoallv##S(b, n, e, t, o, m, d, u, c, r); } \
    int MPI_Put##S(const void *b, C n, MPI_Datatype t, int k, MPI_Aint at, C m, MPI_Datatype u, MPI_Win w) \
    { strangers++; return PMPI_Put##S(b, n, t, k, at, m, u, w); }

CALLS(int, int, )
CALLS(MPI_Count, MPI_Aint, _c)

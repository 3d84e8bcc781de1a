"""powersgd against a plain NumPy reference of the paper's algorithms; exact bytes; equal bits; what a step leaves for the next."""

import numpy as np
import pytest

import gradwire as gw
from gradwire.blocks import Block
from gradwire.collectives.exchange import Exchange

BLOCKS = (Block("a.weight", 0, (24, 30)), Block("a.bias", 720, (24,)), Block("b.weight", 744, (8, 5, 2, 2)), Block("b.bias", 904, (8,)))
DIM = 912
MATRICES = ((0, 24, 30), (744, 8, 20))


def draw(rank, index):
    return gw.Gradient(np.random.default_rng((rank, index)).normal(size=DIM).astype(np.float32), DIM)


def exchange_of(comm, spec="powersgd(min_compression=1)", blocks=BLOCKS, feedback=False):
    collective = gw.one("collectives", spec)
    dim = blocks[-1].stop
    return Exchange(comm, "none", collective, memory=collective.memory(dim, blocks), feedback=gw.ErrorFeedback(dim) if feedback else None)


class Reference:
    """Algorithms 1 and 2 of the paper in float64, all ranks at once. start: the first Q of each matrix, (m, k)."""

    def __init__(self, size, start, feedback=True):
        self.q, self.errors, self.feedback = list(start), np.zeros((size, DIM)), feedback

    def step(self, gradients):
        """float64 (DIM,): the mean that all ranks get."""
        deltas = np.array([g.to_dense() for g in gradients]) + self.errors
        decoded = deltas.copy()
        for i, (at, n, m) in enumerate(MATRICES):
            each = deltas[:, at : at + n * m].reshape(-1, n, m)
            p, _ = np.linalg.qr(np.mean([matrix @ self.q[i] for matrix in each], axis=0))
            own = [matrix.T @ p for matrix in each]
            self.q[i] = np.mean(own, axis=0)
            decoded[:, at : at + n * m] = np.array([p @ q.T for q in own]).reshape(-1, n * m)
        if self.feedback:
            self.errors = deltas - decoded
        return decoded.mean(axis=0)


@pytest.mark.ranks(1, 2, 3, 4)
@pytest.mark.parametrize("feedback", [True, False])
@pytest.mark.parametrize("columns", [1, 3])
def test_it_is_the_paper_s_algorithm(comm, feedback, columns):
    """From the second step on the reference goes on from what the first has left: that began with random columns."""
    exchange = exchange_of(comm, f"powersgd(columns={columns}, min_compression=1)", feedback=feedback)
    exchange.average(draw(comm.rank, 0), gw.Step(0, 7, comm.rank))
    reference = Reference(comm.size, [q.T.astype(np.float64) for q in exchange.memory.factors()], feedback)
    if feedback:
        reference.errors[:] = comm.allgather(exchange.feedback.residual)
    for index in range(1, 5):
        mean = exchange.average(draw(comm.rank, index), gw.Step(index, 7, comm.rank))
        expected = reference.step([draw(rank, index) for rank in range(comm.size)])
        assert np.allclose(mean.values, expected, atol=2e-5 * np.abs(expected).max())
        if feedback:
            assert np.allclose(exchange.feedback.residual, reference.errors[comm.rank], atol=1e-4)
            assert not exchange.feedback.residual[720:744].any(), "what is no matrix is sent as it is"
        else:
            assert np.array_equal(exchange.decoded().values[720:744], draw(comm.rank, index).values[720:744])
        assert len(set(comm.allgather(mean.values.tobytes()))) == 1
        assert len(set(comm.allgather(exchange.memory.state()["q"].tobytes()))) == 1


@pytest.mark.ranks(1, 3)
def test_the_first_step_projects_onto_random_columns(comm):
    """P = M Q of the mean for orthonormal random Q: the mean of the decoded ones lies in the span of P, and is M's projection onto it."""
    exchange = exchange_of(comm)
    mean = exchange.average(draw(comm.rank, 0), gw.Step(0, 7, comm.rank)).values[:720].reshape(24, 30).astype(np.float64)
    whole = np.mean([draw(rank, 0).values[:720].reshape(24, 30).astype(np.float64) for rank in range(comm.size)], axis=0)
    u, s, _ = np.linalg.svd(mean)
    assert s[1] > 0.1 and s[2] < 1e-5
    assert np.allclose(u[:, :2] @ u[:, :2].T @ whole, mean, atol=1e-5)


@pytest.mark.ranks(2)
@pytest.mark.parametrize("matrix_rank", [0, 1, 2, 3])
def test_a_matrix_of_few_columns_arrives_as_it_is(comm, matrix_rank):
    """Also one of fewer than the factors have, and zeros; and after zeros the iteration goes on."""
    rng = np.random.default_rng(3)
    matrix = (rng.normal(size=(40, matrix_rank)) @ rng.normal(size=(matrix_rank, 60))).astype(np.float32)
    mine = gw.Gradient(matrix.ravel() * np.float32(2 * comm.rank), 2400)  # the mean is the matrix
    exchange = exchange_of(comm, "powersgd(columns=3)", (Block("w", 0, (40, 60)),))
    for index in range(2):
        exchange.average(gw.Gradient(np.zeros(2400, np.float32), 2400), gw.Step(index, 1, comm.rank))
        mean = exchange.average(mine, gw.Step(index, 1, comm.rank)).values
        assert np.allclose(mean, matrix.ravel(), atol=2e-5)


@pytest.mark.ranks(2)
def test_more_columns_than_the_matrix_has(comm):
    """min_compression = 0: useless factors that lose nothing."""
    exchange = exchange_of(comm, "powersgd(columns=50, min_compression=0)")
    mean = exchange.average(draw(comm.rank, 0), gw.Step(0, 0, comm.rank)).values
    assert np.allclose(mean, (draw(0, 0).values + draw(1, 0).values) / 2, atol=1e-5)
    assert [q.shape for q in exchange.memory.factors()] == [(24, 30), (8, 20)]


@pytest.mark.ranks(1, 2)
def test_a_warm_start_approaches_the_best_approximation(comm):
    """On a fixed gradient the error falls to that of the truncated SVD; with random starts it does not."""
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.normal(size=(64, 64)))[0] for _ in range(2))
    spectrum = 0.7 ** np.arange(64)
    matrix = ((u * spectrum) @ v.T).astype(np.float32)
    best = np.sqrt(np.square(spectrum[2:]).sum())
    errors = {}
    for warm in ("true", "false"):
        exchange = exchange_of(comm, f"powersgd(warm_start={warm})", (Block("w", 0, (64, 64)),))
        means = [exchange.average(gw.Gradient(matrix.ravel(), 4096), gw.Step(i, 1, comm.rank)).values for i in range(25)]
        errors[warm] = [np.linalg.norm(mean.reshape(64, 64) - matrix) for mean in means]
    warm = np.array(errors["true"])
    assert (np.diff(warm) < 1e-6).all() and warm[0] > 1.02 * best and best * (1 - 1e-5) < warm[-1] < 1.0005 * best
    assert np.mean(errors["false"][-10:]) > 1.02 * best and len(set(errors["false"])) == 25


@pytest.mark.ranks(2)
@pytest.mark.parametrize(
    ("least", "values"),
    [
        (2, 32 + 2 * (24 + 30) + 2 * (8 + 20)),  # 720 / 108 = 6.67 and 160 / 56 = 2.86 times smaller
        (2.86, 192 + 2 * (24 + 30)),
        (6.66, 192 + 2 * (24 + 30)),
        (6.67, DIM),
    ],
)
def test_bytes_are_those_of_the_factors_and_of_what_is_plain(comm, least, values):
    exchange = exchange_of(comm, f"powersgd(columns=2, min_compression={least})")
    with exchange.watch.step():
        mean = exchange.average(draw(comm.rank, 0), gw.Step(0, 0, comm.rank))
    ledger = exchange.ledger
    assert (ledger.sent, ledger.received, ledger.local, ledger.control) == (4 * values, 4 * values, 0, 16)
    assert ledger.uplink == ledger.downlink == {"header": 0, "keys": 0, "values": 4 * values, "tables": 0}
    assert all(exchange.watch.wall[phase] > 0 for phase in ("encode", "wait", "transfer", "decode"))
    plain = (draw(0, 0).values + draw(1, 0).values) / 2
    assert np.array_equal(mean.values[720:744], plain[720:744]) and np.array_equal(mean.values, plain) == (values == DIM)


@pytest.mark.ranks(3)
def test_the_error_of_a_rank_is_what_its_own_gradient_lost(comm):
    """Sampled as vNMSE: 0 for matrices of few columns, however much the ranks disagree; all but the projection for others."""
    from gradwire.tally import Tally

    exchange = exchange_of(comm, "powersgd(columns=3)", (Block("w", 0, (20, 20)),))
    rng = np.random.default_rng(comm.rank)
    for matrix, expected in (
        (np.outer(rng.normal(size=20), rng.normal(size=20)), (0, 1e-9)),
        (rng.normal(size=(20, 20)), (0.6, 0.95)),  # 3 of 20 directions
    ):
        g, tally = gw.Gradient(matrix.astype(np.float32).ravel(), 400), Tally(exchange, 400)
        exchange.average(g, gw.Step(0, 0, comm.rank))
        tally.add(g)
        tally.sample()
        assert expected[0] <= tally.vnmse <= expected[1]
        columns = tally.columns()
        assert (columns["message_nnz"], columns["entropy_bound_bytes"], columns["overflow"]) == (400, 0, 0)
        lost = np.square(g.values - exchange.decoded().values, dtype=np.float64).sum()
        assert tally.lost == pytest.approx(lost)


@pytest.mark.ranks(1, 3)
def test_what_it_remembers_goes_on_from_a_checkpoint(comm):
    whole, cut = exchange_of(comm), exchange_of(comm)
    for index in range(3):
        for exchange in (whole, cut):
            exchange.average(draw(comm.rank, index), gw.Step(index, 0, comm.rank))
    state = cut.memory.state()
    assert {name: (array.dtype, array.shape) for name, array in state.items()} == {"q": (np.float32, (2 * (30 + 20),))}
    fresh = exchange_of(comm)
    fresh.memory.restore(state)
    for index in (3, 4):
        means = [each.average(draw(comm.rank, index), gw.Step(index, 0, comm.rank)).values for each in (whole, fresh)]
        assert np.array_equal(*means)
    assert not np.array_equal(exchange_of(comm).average(draw(comm.rank, 4), gw.Step(4, 0, comm.rank)).values, means[0])
    assert exchange_of(comm, "powersgd(warm_start=false)").memory.state() == {}
    with pytest.raises(gw.DataError, match=r"expected 100 values of factors, got an array of shape \(7,\)"):
        fresh.memory.restore({"q": np.zeros(7, np.float32)})


@pytest.mark.ranks(2)
def test_an_error_leaves_what_it_remembers_as_it_was(comm):
    exchange = exchange_of(comm, feedback=True)
    exchange.average(draw(comm.rank, 0), gw.Step(0, 0, comm.rank))
    before = exchange.memory.state()["q"].copy(), exchange.feedback.residual
    values = draw(comm.rank, 1).values.copy()
    for at, value, ranks, error in (
        (5, np.nan, (1,), "expected finite values, got nan at key 5 on rank 1"),
        (733, 3e38, (0, 1), "sum over 2 ranks overflows fp32 at key 733"),
        (909, -3e38, (0, 1), "sum over 2 ranks overflows fp32 at key 909"),
        (slice(0, 720), 3e38, (0, 1), r"overflows fp32 in the factors of keys 0 … 719 \(a.weight\)"),
        (slice(744, 904), 3e38, (0, 1), r"overflows fp32 in the factors of keys 744 … 903 \(b.weight\)"),
    ):
        bad = values.copy()
        bad[at] = value if comm.rank in ranks else 0
        with pytest.raises(gw.DataError, match=error):
            exchange.average(gw.Gradient(bad, DIM), gw.Step(1, 0, comm.rank))
        assert np.array_equal(exchange.memory.state()["q"], before[0]) and np.array_equal(exchange.feedback.residual, before[1])


@pytest.mark.ranks(2)
@pytest.mark.parametrize("scale", [1e-36, 1e-20, 1e18, 1e35])
def test_large_and_small_gradients_neither_overflow_nor_vanish(comm, scale):
    """Q is normalised: the factors are as large as the gradient, not as its square."""
    exchange, ordinary = exchange_of(comm), exchange_of(comm)
    for index in range(3):
        step, g = gw.Step(index, 0, comm.rank), draw(comm.rank, index)
        expected = ordinary.average(g, step).values
        mean = exchange.average(gw.Gradient(g.values * np.float32(scale), DIM), step).values
        assert np.allclose(mean / np.float32(scale), expected, atol=1e-4)


@pytest.mark.ranks(2)
def test_an_overflow_in_the_second_sum_names_its_key(comm):
    """A column of 16 times 2e38: its norm is 8e38, and that is its entry of Q; a random direction is enough for P to be smaller."""
    matrix = np.zeros((16, 16), np.float32)
    matrix[:, 3] = 2e38
    exchange = exchange_of(comm, "powersgd(columns=1)", (Block("w", 0, (16, 16)),))
    with pytest.raises(gw.DataError, match="the sum over 2 ranks overflows fp32 at key 3$"):
        exchange.average(gw.Gradient(matrix.ravel(), 256), gw.Step(0, 0, comm.rank))
    assert not exchange.memory.state()["q"].any()
    mean = exchange.average(gw.Gradient(matrix.ravel() / 10, 256), gw.Step(1, 0, comm.rank)).values
    assert np.allclose(mean, matrix.ravel() / 10, rtol=1e-5)


@pytest.mark.ranks(2)
def test_a_gradient_without_blocks_is_a_square(comm):
    """gw.average: 10,007 values as 101 × 100 with zeros; a small one travels as it is; sparse ones are made dense."""
    rng = np.random.default_rng(comm.rank)
    g = gw.Gradient(rng.normal(size=50).astype(np.float32), 10_007, np.sort(rng.choice(10_007, 50, replace=False)))
    first, again, other = (gw.average(comm, g, "none", "powersgd", step=gw.Step(index)) for index in (0, 0, 1))
    assert np.array_equal(first.values, again.values) and not np.array_equal(first.values, other.values)
    memory = gw.one("collectives", "powersgd").memory(10_007, (Block("", 0, (10_007,)),))
    assert [matrix[1:] for matrix in memory.layout.matrices] == [(0, 10_007, 101, 100, 2)] and not memory.layout.plain
    kept = [gw.average(comm, g, "none", "powersgd", memory=memory, step=gw.Step(index)) for index in (0, 1)]
    assert np.array_equal(kept[0].values, first.values) and not np.array_equal(kept[1].values, other.values)
    square = gw.average(comm, gw.Gradient(np.ones(10_000, np.float32), 10_000), "none", "powersgd")
    assert np.allclose(square.values, 1, atol=1e-5)
    small = gw.average(comm, gw.Gradient(np.float32([1, 2, 3 * comm.rank]), 3), "none", "powersgd")
    assert small.values.tolist() == [1, 2, 1.5]


@pytest.mark.ranks(4)
def test_between_nodes_it_goes_on_from_its_memory(comm):
    """What leaders remember is what a run of the leaders alone would; the mean of their nodes is that of all ranks."""
    collective = gw.one("collectives", "hierarchical(per_node=2, between=powersgd)")
    exchange = Exchange(comm, "none", collective, memory=collective.memory(DIM, BLOCKS))
    alone = exchange_of(comm, "powersgd")
    for index in range(3):
        pair = 2 * (comm.rank // 2)
        mean = exchange.average(draw(comm.rank, index), gw.Step(index, 0, comm.rank)).values
        nodes = (draw(pair, index).values + draw(pair + 1, index).values) / 2
        expected = alone.average(gw.Gradient(nodes, DIM), gw.Step(index, 0, comm.rank)).values
        assert np.allclose(mean, expected, atol=1e-5)
    assert len(set(comm.allgather(mean.tobytes()))) == 1
    assert exchange.memory.state()["q"].any() == (comm.rank % 2 == 0)


def test_other_codecs_are_refused_with_what_to_write():
    for spec in ("fp16", "natural", "adam-sparse", "topk"):
        with pytest.raises(gw.IncompatibleError, match=r'powersgd accepts none alone \(codec.uplink = "none"\).*got .*; pairs that work'):
            gw.one("collectives", "powersgd").check(gw.codec(spec))
    gw.one("collectives", "powersgd").check(gw.codec("none(force=true)"))


@pytest.mark.parametrize(
    "spec", ["columns=0", "columns=1.5", "columns=true", "warm_start=1", "min_compression=-1", "min_compression=inf", "min_compression=x"]
)
def test_bad_options_are_refused(spec):
    with pytest.raises(gw.ConfigError, match="powersgd: expected (columns|warm_start|min_compression)"):
        gw.one("collectives", f"powersgd({spec})")


@pytest.mark.ranks(1)
def test_memories_of_others_are_refused(comm):
    memory = gw.one("collectives", "powersgd").memory(DIM, BLOCKS)
    with pytest.raises(gw.IncompatibleError, match="a memory for dim 912 got a gradient of dim 5"):
        gw.average(comm, gw.Gradient([1.0], 5, [1]), "none", "powersgd", memory=memory)
    with pytest.raises(
        gw.IncompatibleError, match=r"powersgd\(columns=3\): expected a memory that it has made, got Memory\(powersgd, dim=912, 2 matrices"
    ):
        gw.average(comm, draw(0, 0), "none", "powersgd(columns=3)", memory=memory)
    with pytest.raises(gw.IncompatibleError, match="allgather keeps nothing from one step to the next, got Memory"):
        gw.average(comm, draw(0, 0), "none", "allgather", memory=memory)
    for blocks in ((), BLOCKS[1:], BLOCKS[:-1], (*BLOCKS[:2], *BLOCKS[3:])):
        with pytest.raises(gw.IncompatibleError, match="expected blocks without gaps for dim 912, got"):
            gw.one("collectives", "powersgd").memory(DIM, blocks)

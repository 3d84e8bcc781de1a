"""Every collective: the mean of the decoded messages, the same bits on every rank, bytes that are those of the buffers."""

import numpy as np
import pytest

import gradwire as gw
from gradwire.collectives import transport
from gradwire.collectives.exchange import Exchange
from gradwire.stopwatch import PHASES

SIZES = (1, 2, 3, 4)
SPECS = ("none", "fp16", "bf16", "adam-sparse", "zipml", "fastsgd", "sketchml", "natural", "topk(ratio=0.1)+natural",
         "randomk(ratio=0.1)+natural", "randomk(ratio=0.1, shared=true)+fp32", "randomk(ratio=0.1, shared=true)+fp16")  # fmt: skip
DIM = 3000


def gradient(rank, step=0, dense=False):
    rng = np.random.default_rng((rank, step))
    keys = np.sort(rng.choice(DIM, rng.integers(0, 500), replace=False)) if rank != 1 else np.empty(0, int)
    if dense:
        return gw.Gradient(rng.normal(size=DIM).astype(np.float32), DIM)
    return gw.Gradient(rng.normal(size=len(keys)).astype(np.float32), DIM, keys)


def legal(collective, codec):
    return gw.codec(codec).reduction in gw.one("collectives", collective).accepts


def expected_mean(codec, size, step, dense):
    """What every rank sends, decoded and averaged here, in float64."""
    total = np.zeros(DIM)
    for rank in range(size):
        at = gw.Step(step.index, step.seed, rank)
        total += codec.decode(codec.encode(gradient(rank, step.index, dense), at), at).to_dense()
    return total / size


@pytest.mark.ranks(*SIZES)
def test_the_mean_of_what_the_messages_say_on_every_rank(comm):
    for collective in gw.names("collectives"):
        for spec in (spec for spec in SPECS if legal(collective, spec)):
            for index, dense in enumerate((False, True, False)):
                step, codec = gw.Step(index, 5), gw.codec(spec)
                mean = gw.average(
                    comm,
                    gradient(comm.rank, index, dense),
                    codec,
                    collective,
                    downlink="fp32" if collective == "gather_bcast" else None,
                    step=step,
                )
                everyone = comm.allgather(mean.to_dense().tobytes())
                assert len(set(everyone)) == 1, f"{collective} {spec}: ranks differ"
                tolerance = {"fp16": 2e-3, "bf16": 2e-2}.get(spec.rpartition("+")[2], 1e-6) if collective == "allreduce" else 1e-6
                assert np.allclose(mean.to_dense(), expected_mean(codec, comm.size, step, dense), rtol=tolerance, atol=tolerance), (
                    f"{collective} {spec}"
                )


@pytest.mark.ranks(*SIZES)
def test_the_ledger_counts_the_buffers(comm):
    for collective in gw.names("collectives"):
        for spec in (spec for spec in SPECS if legal(collective, spec)):
            exchange = Exchange(comm, spec, collective)
            step = gw.Step(0, 1, comm.rank)
            with exchange.watch.step():
                exchange.average(gradient(comm.rank), step)
            nbytes = sum(sent.message.nbytes for sent in exchange.sent)
            ledger, others = exchange.ledger, comm.allgather(nbytes)
            up, down = sum(ledger.uplink.values()), sum(ledger.downlink.values())
            broadcast = comm.bcast(down)
            if collective == "allreduce":
                width = 2 if "16" in spec else 4
                count = DIM // 10 if "shared" in spec else DIM
                assert (up, down, ledger.sent, ledger.received) == (width * count,) * 4
                assert ledger.control == 0
            elif collective == "allgather":
                assert (up, down) == (nbytes, sum(others) - nbytes)
                assert (ledger.sent, ledger.received, ledger.control) == (nbytes, sum(others), 8)
            else:
                root = comm.rank == 0
                assert (up, down) == (nbytes, broadcast)
                assert ledger.sent == nbytes + (broadcast if root else 0)
                assert ledger.received == (sum(others) if root else broadcast)
                assert ledger.control == (16 if root else 8)
            assert set(exchange.watch.phases()["wall"]) == set(PHASES)
            assert min(exchange.watch.wall.values()) >= 0


@pytest.mark.ranks(2, 3)
def test_messages_longer_than_a_count_travel_in_pieces(comm):
    transport.MAX_WORDS = 16
    for collective in gw.names("collectives"):
        codec = gw.codec("none" if collective == "allreduce" else "adam-sparse")
        mean = gw.average(comm, gradient(comm.rank), codec, collective)
        assert np.allclose(mean.to_dense(), expected_mean(codec, comm.size, gw.Step(), False), atol=1e-6)


@pytest.mark.ranks(3)
def test_error_feedback_loses_nothing_in_the_average(comm):
    feedback, sent, received = gw.ErrorFeedback(DIM), np.zeros(DIM), np.zeros(DIM)
    for index in range(20):
        g = gradient(comm.rank, index)
        sent += comm.allreduce(g.to_dense().astype(np.float64)) / comm.size
        received += gw.average(comm, g, "topk(ratio=0.2)+bitflag+natural", feedback=feedback, step=gw.Step(index)).to_dense()
    rest = comm.allreduce(feedback.residual.astype(np.float64)) / comm.size
    assert np.allclose(received + rest, sent, atol=1e-5)


@pytest.mark.ranks(2)
def test_a_downlink_codec_is_used(comm):
    exchange = Exchange(comm, "adam-sparse", "gather_bcast", downlink="topk(k=7)")
    step = gw.Step(0, 0, comm.rank)
    mean = exchange.average(gradient(0), step)
    assert mean.nnz == 7


@pytest.mark.ranks(2)
def test_a_rank_of_another_dim_is_named(comm):
    g = gw.Gradient([1.0], DIM + comm.rank, [3])
    with pytest.raises(gw.CorruptMessage, match="rank 1 sent one of dim|expected a message of dim"):
        gw.average(comm, g, "adam-sparse", "allgather")


@pytest.mark.ranks(3)
def test_sums_that_overflow(comm):
    """The mean of large values is finite where the format allows it, clamped in a 16-bit sum, an error that names it in an fp32 one."""
    for codec, value, collective, expected in (
        ("adam-sparse", 3e38, "allgather", 3e38),
        ("none", 3e38, "gather_bcast", 3e38),
        ("fp16", 30000.0, "allgather", 30000.0),
        ("fp16", 30000.0, "allreduce", 30000.0),
        ("bf16", 3e38, "allreduce", 3e38),
    ):
        mean = gw.average(comm, gw.Gradient([value], 9, [4]), codec, collective).to_dense()[4]
        assert mean == pytest.approx(expected, rel=5e-3), f"{codec} {collective}"
    with pytest.raises(gw.DataError, match="sum over 3 ranks overflows fp32 at key 4"):
        gw.average(comm, gw.Gradient([3e38], 9, [4]), "none", "allreduce")


@pytest.mark.ranks(*SIZES)
def test_shared_coordinates_are_summed_by_mpi(comm):
    """O(q) bytes whatever dim is, no keys; every rank's own scaled values at the step's coordinates, averaged."""
    dim, codec = 2**32, gw.codec("randomk(k=2000, shared=true)+fp32")
    for index in range(3):
        step = gw.Step(index, 9, comm.rank)
        keys = codec.shared_keys(dim, step)
        rng = np.random.default_rng((comm.rank, index))
        mine = np.union1d(rng.choice(keys, 150, replace=False), rng.integers(0, dim, 400, dtype=np.uint32)).astype(np.uint32)
        exchange = Exchange(comm, codec, "allreduce")
        mean = exchange.average(gw.Gradient(rng.normal(size=len(mine)).astype(np.float32), dim, mine), step)
        sent = comm.allgather(exchange.decoded())
        assert exchange.ledger.sent == 8000 and set(mean.keys) == set().union(*(g.keys for g in sent)) <= set(keys)
        expected = {int(key): 0.0 for key in mean.keys}
        for g in sent:
            for key, value in zip(g.keys.tolist(), g.values.tolist()):
                expected[key] += value / comm.size
        assert np.allclose(
            mean.values, [expected[key] for key in mean.keys.tolist()], rtol=1e-6, atol=1e-6 * max(map(abs, expected.values()))
        )
        assert len(set(comm.allgather(mean.values.tobytes()))) == 1


@pytest.mark.ranks(2)
def test_an_overflow_at_a_shared_coordinate_names_its_key(comm):
    codec = gw.codec("randomk(k=3, shared=true, scale=none)+fp32")
    keys = codec.shared_keys(10**6, gw.Step())
    with pytest.raises(gw.DataError, match=f"at key {keys[1]}"):
        gw.average(comm, gw.Gradient([3e38], 10**6, keys[1:2]), codec, "allreduce")


@pytest.mark.ranks(2)
def test_the_driver_draws_coordinates_of_its_own(comm):
    """A downlink with the uplink's shared coordinates would scale them twice and send no others: biased."""
    spec, dim = "randomk(ratio=0.5, shared=true)+fp32", 40
    x = np.linspace(1, 2, dim).astype(np.float32)
    means = [gw.average(comm, gw.Gradient(x, dim), spec, "gather_bcast", step=gw.Step(i)).to_dense() for i in range(400)]
    assert np.allclose(np.mean(means, axis=0), x, atol=5 * 2 * np.sqrt(3 / 400))


def test_clamped_values_are_counted():
    g = gw.Gradient([1e5, -7e4, 3.0], 9, [1, 2, 3])
    assert [gw.codec(spec).count_overflow(g) for spec in ("fp16", "topk(k=3)+fp16", "bf16", "natural")] == [2, 2, 0, 0]


class World:
    """A communicator that must not be called."""

    rank, size = 0, 4

    def __getattr__(self, name):
        raise AssertionError(f"MPI was called: {name}")


@pytest.mark.parametrize(
    ("codec", "collective", "downlink", "says"),
    [
        ("natural", "allreduce", None, "natural with gather_bcast, natural with allgather"),
        ("adam-sparse", "allgather", "fp16", "allgather has no downlink codec"),
        ("none", "allreduce", "fp16", "allreduce has no downlink codec"),
        ("none", "gather_bcast(root=4)", None, "root in 0 … 3, got 4"),
    ],
)
def test_bad_pairs_are_refused_before_the_first_call(codec, collective, downlink, says):
    with pytest.raises(gw.IncompatibleError, match=says):
        gw.average(World(), gw.Gradient([1.0], 1), codec, collective, downlink=downlink)


def test_a_codec_that_says_sum_must_say_how():
    class Summing(gw.Codec):
        name, reduction, spec = "summing", gw.Reduction.SUM, "summing"

    with pytest.raises(gw.IncompatibleError, match="no `summable` value coder"):
        gw.average(World(), gw.Gradient([1.0], 1), Summing(), "allreduce")


def test_allreduce_refuses_to_densify_a_huge_gradient():
    with pytest.raises(gw.IncompatibleError, match="2²⁶"):
        gw.average(World(), gw.Gradient([1.0], 2**31, [7]), "fp16", "allreduce")

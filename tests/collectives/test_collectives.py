"""Every collective: the mean of the decoded messages, the same bits on every rank, bytes that are those of the buffers."""

import numpy as np
import pytest

import gradwire as gw
from gradwire.collectives import transport
from gradwire.collectives.exchange import Exchange
from gradwire.stopwatch import PHASES

SIZES = (1, 3, 4)
SPECS = ("none", "fp16", "bf16", "intsgd(bits=16)", "adam-sparse", "zipml", "fastsgd", "sketchml", "skcompress", "natural",
         "topk(ratio=0.1)+natural", "randomk(ratio=0.1)+natural", "randomk(ratio=0.1, shared=true)+fp32",
         "randomk(ratio=0.1, shared=true)+fp16", "randomk(ratio=0.1, shared=true)+integer(bits=32)")  # fmt: skip
COLLECTIVES = ("allreduce", "allgather", "allgather(slices=3)", "gather_bcast", "reduce_scatter", "reduce_scatter(balance=false)", "hierarchical",
               "hierarchical(per_node=2)", "hierarchical(per_node=2, between=reduce_scatter)", "hierarchical(per_node=3, between=allreduce)",
               "switch(packet=500, slots=2)", "hierarchical(per_node=2, between=switch)", "powersgd", "powersgd(columns=3, warm_start=false)",
               "hierarchical(per_node=2, between=powersgd)")  # fmt: skip
DIM = 3000


def gradient(rank, step=0, dense=False):
    rng = np.random.default_rng((rank, step))
    keys = np.sort(rng.choice(DIM, rng.integers(0, 500), replace=False)) if rank != 1 else np.empty(0, int)
    if dense:
        return gw.Gradient(rng.normal(size=DIM).astype(np.float32), DIM)
    return gw.Gradient(rng.normal(size=len(keys)).astype(np.float32), DIM, keys)


def exchanges(comm, **options):
    """(collective, codec, Exchange) of every pair that is legal."""
    for collective in COLLECTIVES:
        for codec in SPECS:
            down = {"downlink": "fp32"} if gw.one("collectives", collective).has_downlink else {}
            try:
                yield collective, codec, Exchange(comm, codec, collective, **down, **options)
            except gw.IncompatibleError:
                continue


def test_every_collective_is_tried():
    assert {name.partition("(")[0] for name in COLLECTIVES} == set(gw.names("collectives"))


def what_was_sent(comm, exchange):
    """float64 (DIM,): the mean of what the messages decode to; those of nodes are weighted, the largest with 1."""
    own = exchange.decoded().to_dense().astype(np.float64) if exchange.sent else np.zeros(DIM)
    return comm.allreduce(own) * min(getattr(exchange.collective, "per_node", 1) or comm.size, comm.size) / comm.size


@pytest.mark.ranks(*SIZES)
def test_the_mean_of_what_the_messages_say_on_every_rank(comm):
    for collective, codec, exchange in exchanges(comm):
        for index, dense in enumerate((False, True, comm.rank == 0)):
            mean = exchange.average(gradient(comm.rank, index, dense), gw.Step(index, 5, comm.rank)).to_dense()
            assert len(set(comm.allgather(mean.tobytes()))) == 1, f"{collective} {codec}: ranks differ"
            sent = what_was_sent(comm, exchange)
            rounds_again = {"fp16": 1e-3, "bf16": 1e-2} if "allreduce" in collective else {"natural": 1.0} if "switch" in collective else {}
            relative = rounds_again.get(codec.rpartition("+")[2], 1e-6)
            slack = 1e-6 * max(1, np.abs(sent).max())
            assert np.allclose(mean, sent, rtol=relative, atol=slack), f"{collective} {codec}: off by {np.abs(mean - sent).max()}"


@pytest.mark.ranks(3)
def test_what_the_ranks_send_is_what_they_have(comm):
    """A lossless codec: the mean of the messages is the mean of the gradients, through every collective."""
    expected = comm.allreduce(gradient(comm.rank).to_dense().astype(np.float64)) / comm.size
    for collective, codec, exchange in exchanges(comm):
        if codec in ("none", "adam-sparse") and "powersgd" not in collective:
            mean = exchange.average(gradient(comm.rank), gw.Step(0, 5, comm.rank)).to_dense()
            assert np.allclose(mean, expected, atol=1e-6), f"{collective} {codec}"


@pytest.mark.ranks(3, 4)
def test_error_feedback_and_its_average_through_every_collective(comm):
    """What arrived plus what the residuals still hold is what there was, for every pair whose collective loses nothing itself."""
    for collective, codec, exchange in exchanges(comm):
        if "switch" in collective or codec == "randomk(ratio=0.1)+natural" or "hierarchical" in collective:
            continue
        if "allreduce" in collective and "16" in codec:
            continue
        exchange.feedback, received, gone = gw.ErrorFeedback(DIM), np.zeros(DIM), np.zeros(DIM)
        for index in range(3):
            g = gradient(comm.rank, index)
            gone += comm.allreduce(g.to_dense().astype(np.float64)) / comm.size
            received += exchange.average(g, gw.Step(index, 1, comm.rank)).to_dense()
        left = comm.allreduce(exchange.feedback.residual.astype(np.float64)) / comm.size
        slack = 1e-5 * max(1.0, np.abs(received).max(), np.abs(left).max())
        assert np.allclose(received + left, gone, atol=slack), f"{collective} {codec}"


@pytest.mark.ranks(*SIZES)
def test_the_ledger_says_what_travelled(comm):
    """Sums over all ranks: what is received is what is sent, uplink and downlink are the messages; nothing is counted twice."""
    for collective, codec, exchange in exchanges(comm):
        with exchange.watch.step():
            exchange.average(gradient(comm.rank), gw.Step(0, 1, comm.rank))
        ledger, size = exchange.ledger, comm.size
        up, down = sum(ledger.uplink.values()), sum(ledger.downlink.values())
        nbytes = sum(getattr(sent.message, "nbytes", 0) for sent in exchange.sent)  # of switch and powersgd there is no message
        others = comm.allgather(nbytes)
        name = f"{collective} {codec}"
        if collective == "allreduce":
            width = {"fp16": 2, "bf16": 2}.get(codec.rpartition("+")[2]) or {"intsgd(bits=16)": 2}.get(codec, 4)
            count = width * (DIM // 10 if "shared" in codec else DIM)
            assert (up, down) == (count, count), name
            if width == 4 or "int" in codec:
                assert (ledger.sent, ledger.received) == (count, count), name
            assert ledger.control == (16 + 4 if "int" in codec else 16), name
        elif collective.startswith("allgather"):
            assert (up, down) == (nbytes, sum(others) - nbytes), name
            assert (ledger.sent, ledger.received) == (nbytes, sum(others)), name
        elif collective == "gather_bcast":
            broadcast, root = comm.bcast(down), comm.rank == 0
            assert (up, down, ledger.sent) == (nbytes, broadcast, nbytes + (broadcast if root else 0)), name
            assert ledger.received == (sum(others) if root else broadcast), name
            assert ledger.control == 2 * 16 + (16 if root else 8), name
        elif collective.startswith("reduce_scatter"):
            assert up == nbytes and down == comm.bcast(down), name
            replies = ledger.sent - comm.allreduce(ledger.sent) // size if size == 1 else None
            assert replies is None or ledger.sent == down, name
            assert comm.allreduce(ledger.received) - (size - 1) * down == comm.allreduce(ledger.sent), name
        elif collective == "switch(packet=500, slots=2)":
            assert up == down == DIM // 500 * 8 + DIM * (1 if codec == "natural" else 4), name
            assert ledger.sent == (up if comm.rank else (size - 1) * down), name
            assert ledger.received == (down if comm.rank else (size - 1) * up), name
        elif collective.startswith("powersgd"):
            k = exchange.collective.columns
            assert up == down == ledger.sent == ledger.received == 4 * k * (55 + 55), name  # 54² < 3000 ≤ 55²
            assert ledger.control == 16, name
        else:
            assert 0 <= ledger.local <= ledger.sent, name
        assert set(exchange.watch.phases()["wall"]) == set(PHASES)
        assert min(exchange.watch.wall.values()) >= 0


@pytest.mark.ranks(2, 3)
def test_messages_longer_than_a_count_travel_in_pieces(comm):
    before = gw.average(comm, gradient(comm.rank), "none", "powersgd").values
    transport.MAX_WORDS = 16
    assert np.allclose(gw.average(comm, gradient(comm.rank), "none", "powersgd").values, before, atol=1e-6)
    expected = comm.allreduce(gradient(comm.rank).to_dense().astype(np.float64)) / comm.size
    for collective in COLLECTIVES:
        codecs = ("adam-sparse",)
        if "allreduce" in collective:
            codecs = ("none", "fp16", "intsgd(bits=32)")
        elif "switch" in collective:
            codecs = ("none",)
        elif "powersgd" in collective:  # not lossless
            codecs = ()
        for codec in codecs:
            mean = gw.average(comm, gradient(comm.rank), codec, collective)
            assert np.allclose(mean.to_dense(), expected, atol=2e-3 if codec == "fp16" else 1e-6), f"{collective} {codec}"


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


@pytest.mark.ranks(2, 3)
def test_ranks_of_different_dim_all_refuse(comm):
    """Every collective and codec, sparse, dense and mixed: the same error on all ranks, none waits, and the next step works."""
    for collective, codec, exchange in exchanges(comm):
        for dense in (False, True, comm.rank == 0):
            dim = DIM if comm.rank < comm.size - 1 else DIM - 700
            g = gw.Gradient(np.ones(dim, np.float32), dim) if dense else gw.Gradient(np.float32([1, 2]), dim, [3, 9])
            with pytest.raises(gw.IncompatibleError, match=f"one dim, got .*{DIM - 700} on rank {comm.size - 1}"):
                exchange.average(g, gw.Step(0, 1, comm.rank))
            mean = exchange.average(gradient(comm.rank), gw.Step(0, 1, comm.rank)).to_dense().tobytes()
            assert len(set(comm.allgather(mean))) == 1, f"{collective} {codec}"


@pytest.mark.ranks(4)
def test_dims_that_differ_inside_a_node_and_between_nodes(comm):
    for odd in range(4):
        for between in ("allgather", "allreduce", "switch"):
            g = gw.Gradient(np.float32([1]), 9 + (comm.rank == odd), [comm.rank])
            with pytest.raises(gw.IncompatibleError, match="one dim"):
                gw.average(comm, g, "none", f"hierarchical(per_node=2, between={between})")
    g = gw.Gradient(np.float32([1]), 9 + (comm.rank > 1), [comm.rank])
    with pytest.raises(gw.IncompatibleError, match="got 9 on rank 0, 10 on rank 2"):  # those of the leaders
        gw.average(comm, g, "none", "hierarchical(per_node=2)")


@pytest.mark.ranks(2, 3)
def test_what_one_rank_alone_cannot_encode_is_an_error_of_all(comm):
    """A value that is not finite, a residual of another dim, a dim that one rank alone refuses to make dense."""
    last = comm.size - 1
    bad = gw.Gradient(np.float32([np.nan if comm.rank == last else 1, 2]), DIM, [7, 8])
    for collective, _, exchange in exchanges(comm):
        with pytest.raises(gw.DataError, match=f"at key 7 on rank {last}" if "hierarchical" not in collective else "key 7"):
            exchange.average(bad, gw.Step(0, 1, comm.rank))
        exchange.feedback = gw.ErrorFeedback(DIM - (comm.rank == 0))  # the leader in any hierarchy
        with pytest.raises(gw.IncompatibleError, match=f"feedback for dim {DIM - 1} got a gradient of dim {DIM}"):
            exchange.average(gradient(0), gw.Step(0, 1, comm.rank))
    huge = gw.Gradient(np.float32([1]), DIM if comm.rank < last else 1 << 27, [5])
    for collective in COLLECTIVES:
        with pytest.raises(gw.IncompatibleError, match=f"got {DIM} on rank 0"):
            gw.average(comm, huge, "none", collective)


@pytest.mark.ranks(3)
def test_a_step_that_failed_leaves_residual_and_velocity_as_they_were(comm):
    """On the ranks too that had encoded before they heard of it: what nobody received is not taken for sent."""
    for collective, codec, exchange in exchanges(comm):
        exchange.feedback = feedback = gw.ErrorFeedback(DIM, 0.9)
        exchange.average(gradient(0), gw.Step(0, 1, comm.rank))
        before = feedback.residual, feedback.velocity
        g = gradient(0, 1)
        bad = gw.Gradient(np.full(g.nnz, np.nan, np.float32), DIM, g.keys)
        with pytest.raises(gw.DataError):
            exchange.average(bad if comm.rank == 1 else g, gw.Step(1, 1, comm.rank))
        after = feedback.residual, feedback.velocity
        assert all(map(np.array_equal, before, after)), f"{collective} {codec}"


@pytest.mark.ranks(2, 3)
def test_a_mistake_in_a_plug_in_on_one_rank_is_an_error_of_all(comm, monkeypatch):
    last = comm.size - 1
    if comm.rank == last:
        monkeypatch.setattr("gradwire.gradient.Gradient.check_finite", lambda *_: 1 // 0)
    for collective, _, exchange in exchanges(comm):
        if "hierarchical" not in collective:  # its non-leaders send raw messages
            with pytest.raises(gw.GradwireError, match=f"rank {last}: ZeroDivisionError"):
                exchange.average(gradient(0), gw.Step(0, 1, comm.rank))
    with pytest.raises(gw.GradwireError, match=f"rank {last}: ZeroDivisionError"):
        gw.average(comm, gradient(0), "natural", "hierarchical(per_node=2)")


@pytest.mark.ranks(2, 3)
def test_what_the_root_or_an_owner_alone_cannot_encode_is_an_error_of_all(comm):
    """The downlink refuses to make the mean dense: where it is encoded, and nowhere else."""
    g = gw.Gradient(np.ones(5, np.float32), (1 << 26) + 100, np.arange(5))
    for collective in ("gather_bcast", "reduce_scatter", "hierarchical(per_node=1, between=gather_bcast)",
                       "hierarchical(per_node=1, between=reduce_scatter)", "hierarchical(per_node=2, between=gather_bcast)"):  # fmt: skip
        exchange = Exchange(comm, "topk(ratio=1.0)+fp32", collective, downlink="none")
        with pytest.raises(gw.IncompatibleError, match="dim ≤ 2²⁶"):
            exchange.average(g, gw.Step(0, 1, comm.rank))
        small = exchange.average(gw.Gradient(g.values, DIM, g.keys), gw.Step(1, 1, comm.rank))
        assert small.to_dense()[:5].tolist() == [1] * 5, collective


@pytest.mark.ranks(3)
def test_a_mean_over_uneven_nodes_that_overflows_is_an_error_of_all(comm):
    """The leader that is alone encodes nothing for its node, and refuses like the others."""
    big = gw.Gradient(np.full(DIM, np.finfo(np.float32).max), DIM)
    for between in ("allgather", "reduce_scatter"):
        with pytest.raises(gw.DataError, match="mean over the nodes overflows fp32 at key"):
            gw.average(comm, big, "randomk(ratio=0.1, shared=true)+fp32", f"hierarchical(per_node=2, between={between})")


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


@pytest.mark.ranks(3)
def test_uneven_nodes_near_the_largest_float(comm):
    """Nodes of two ranks and one: (3.3e38 + 3.3e38 + x) / 3, although 4/3 of the first node's mean is beyond fp32."""
    for own, expected in ((3.3e38, 3.3e38), (3.3e38 if comm.rank < 2 else 0, 2.2e38), (0 if comm.rank < 2 else -3.3e38, -1.1e38)):
        for between in ("allgather", "gather_bcast", "reduce_scatter"):
            for g in (gw.Gradient([own], 9, [4]), gw.Gradient(np.float32([0, 0, 0, 0, own, 0, 0, 0, 0]), 9)):
                mean = gw.average(comm, g, "adam-sparse", f"hierarchical(per_node=2, between={between})").to_dense()
                assert mean[4] == pytest.approx(expected, rel=1e-6) and not mean[[0, 8]].any(), between


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


@pytest.mark.ranks(1, 2)
def test_allreduce_refuses_to_densify_a_huge_gradient(comm):
    with pytest.raises(gw.IncompatibleError, match="2²⁶"):
        gw.average(comm, gw.Gradient([1.0], 2**31, [7]), "fp16", "allreduce")


@pytest.mark.ranks(2)
def test_a_value_that_is_not_finite_is_named_by_every_collective(comm):
    """Both ranks have one, so that neither waits for the other; key and rank are those of the whole gradient."""
    bad = gw.Gradient(np.float32([1, np.nan, 2]), DIM, [5, 2500, 2600])
    for collective, codec, exchange in exchanges(comm, feedback=gw.ErrorFeedback(DIM)):
        with pytest.raises(gw.DataError, match=rf"at key 2500 on rank {comm.rank}" if "hierarchical" not in collective else "key 2500"):
            exchange.average(bad, gw.Step(0, 1, comm.rank))
        assert not exchange.feedback.residual.any(), f"{collective} {codec}"


@pytest.mark.ranks(4)
def test_what_leaders_would_refuse_all_ranks_refuse(comm):
    huge = gw.Gradient(np.float32([1]), 2**27, [comm.rank])
    with pytest.raises(gw.IncompatibleError, match="dim ≤ 2²⁶"):
        gw.average(comm, huge, "none", "hierarchical(per_node=2)")
    with pytest.raises(gw.IncompatibleError, match="root in 0 … 0, got 1"):
        gw.average(comm, gradient(0), "natural", 'hierarchical(between="gather_bcast(root=1)")')


@pytest.mark.ranks(2)
def test_communicators_are_freed_with_the_caller_s(comm):
    """An MPI library has a few thousand of them."""
    for _ in range(1200):
        own = comm.Dup()
        gw.average(own, gw.Gradient(np.float32([1]), 9, [comm.rank]), "adam-sparse", "hierarchical(per_node=1)")
        own.Free()


@pytest.mark.ranks(2)
def test_the_switch_hears_only_its_own_packets(comm):
    stray = comm.Isend(np.zeros(3, np.uint8), dest=0, tag=71)
    mean = gw.average(comm, gw.Gradient(np.float32([1, 2]), 2), "none", "switch")
    assert mean.values.tolist() == [1, 2]
    for _ in range(2 if comm.rank == 0 else 0):
        comm.Recv(np.zeros(3, np.uint8), tag=71)
    stray.Wait()


@pytest.mark.ranks(3)
def test_ranges_are_balanced_for_what_is_sent(comm):
    """Keys that crowd at the low end: equally many entries for each owner; of a dense message equally many values."""
    dim = 30_000
    keys = np.unique((dim * np.random.default_rng(comm.rank).random(3000) ** 8).astype(np.uint32))
    crowded = gw.Gradient(np.ones(len(keys), np.float32), dim, keys)
    for codec, most in (("adam-sparse", 1.3), ("none", 1.01)):
        exchange = Exchange(comm, codec, "reduce_scatter")
        exchange.average(crowded, gw.Step(0, 0, comm.rank))
        sizes = [sent.message.nnz for sent in exchange.sent]
        assert max(sizes) < most * np.mean(sizes), codec


@pytest.mark.parametrize("spec", ["gather_bcast(root=1.5)", "switch(root=true)", "gather_bcast(root=true)"])
def test_roots_are_integers(spec):
    with pytest.raises(gw.IncompatibleError, match="root in 0 … 3"):
        gw.average(World(), gw.Gradient([1.0], 1), "none", spec)


@pytest.mark.parametrize(
    "spec", ["allgather(slices=0)", "allgather(slices=2.0)", "reduce_scatter(balance=3)", "hierarchical(per_node=-1)", "hierarchical(between=hierarchical)",
             "switch(packet=0)", "switch(slots=5000)"],
)  # fmt: skip
def test_bad_options(spec):
    with pytest.raises(gw.ConfigError, match="expected"):
        gw.one("collectives", spec)

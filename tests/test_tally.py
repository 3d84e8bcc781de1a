"""What is counted of an exchange, on messages whose sizes are known."""

import math

import numpy as np
import pytest

import gradwire as gw
from gradwire.collectives.exchange import Exchange
from gradwire.recorder import PER_RANK
from gradwire.tally import Tally

DIM = 100


def exchanged(spec, collective="allgather", gradients=((4.0, 3.0, -1.0),), **options):
    """Tally after one exchange for each gradient, on keys 10, 20, 30 and one rank."""
    from mpi4py import MPI

    exchange = Exchange(MPI.COMM_SELF, spec, collective, **options)
    tally = Tally(exchange, DIM)
    for index, values in enumerate(gradients):
        g = gw.Gradient(values, DIM, [10, 20, 30][: len(values)])
        exchange.average(g, gw.Step(index))
        tally.add(g)
        tally.sample()
    return tally


def test_counts_and_baselines_of_two_exchanges():
    columns = exchanged("topk(k=1)", gradients=[(4.0, 3.0, -1.0), (0.5, 2.0)]).columns()
    assert (columns["nnz"], columns["message_nnz"]) == (5, 2)
    assert (columns["dense_baseline_bytes"], columns["sparse_baseline_bytes"]) == (800, 40)
    assert columns["entropy_bound_bytes"] == math.ceil(2 * math.log2(DIM) / 8)
    assert columns["vnmse"] == pytest.approx((9 + 1 + 0.25) / (16 + 9 + 1 + 4 + 0.25))
    assert set(columns) == set(PER_RANK) - {"rows", "steps"}


def test_a_tally_goes_on_where_another_has_stopped():
    whole = exchanged("topk(k=1)", gradients=[(4.0, 3.0, -1.0), (0.5, 2.0)])
    first = exchanged("topk(k=1)", gradients=[(4.0, 3.0, -1.0)])
    state = {name: np.float64(value) if isinstance(value, float) else np.int64(value) for name, value in first.state().items()}
    first.exchange.ledger.reset()
    again = exchanged("topk(k=1)", gradients=[])
    again.restore(state)
    assert again.columns()["epoch_time_s"] == state["wall/step"]
    again.exchange.average(gw.Gradient([0.5, 2.0], DIM, [10, 20]), gw.Step(1))
    again.add(gw.Gradient([0.5, 2.0], DIM, [10, 20]))
    again.sample()
    timed = {name for name in whole.columns() if name.endswith("_s")}
    same = {name: value for name, value in again.columns().items() if name not in timed}
    assert same == {name: value for name, value in whole.columns().items() if name not in timed}
    assert again.columns()["encode_wall_s"] > state["wall/encode"] > 0


def test_slices_of_a_message_are_one_set_of_keys():
    whole, sliced = (exchanged("adam-sparse", collective).columns() for collective in ("allgather", "allgather(slices=3)"))
    assert sliced["message_nnz"] == whole["message_nnz"] == 3
    assert sliced["entropy_bound_bytes"] == whole["entropy_bound_bytes"] == math.ceil(math.log2(math.comb(100, 3)) / 8)


def test_what_was_encoded_is_compared_with_what_it_decodes_to():
    """The second x is (1, 2) and the residual (0, 3, −1): (1, 5, −1), of which 5 is sent."""
    tally = exchanged("topk(k=1)", gradients=[(4.0, 3.0, -1.0), (1.0, 2.0)], feedback=gw.ErrorFeedback(DIM))
    assert (tally.lost, tally.norm) == (10 + 2, 26 + 27)
    dense = exchanged("none", "allreduce")
    assert (dense.vnmse, dense.norm) == (0, 26)


def test_values_beyond_the_format_are_counted():
    assert exchanged("fp16", gradients=[(1e6, 2.0, -1e5)]).columns()["overflow"] == 2


def test_a_rank_that_encodes_nothing_has_no_error():
    tally = exchanged("adam-sparse")
    tally.exchange.encoded, tally.exchange.sent = None, []
    idle = Tally(tally.exchange, DIM)
    idle.add(gw.Gradient([1.0], DIM, [3]))
    idle.sample()
    assert math.isnan(idle.vnmse) and (idle.nnz, idle.message_nnz) == (1, 0)


def test_a_gradient_of_nothing_has_no_error():
    tally = exchanged("adam-sparse", gradients=[()])
    assert tally.vnmse == 0 and tally.columns()["nnz"] == 0 and np.isfinite(tally.entropy_bits)

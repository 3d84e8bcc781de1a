"""What MPI says of its transports, what can be told from figures, and what is advised."""

import os
from contextlib import ExitStack

import pytest

from gradwire.doctor import transport
from gradwire.doctor.figures import Pair

UCX = """[1] [a:1:0] ucp_worker.c:1912 UCX  INFO    ucp_context_0 self cfg#0 tag(self/memory tcp/eth0)  rma(self/memory)
[1] [a:1:0] ucp_worker.c:1912 UCX  INFO    ucp_context_0 intra-node cfg#1 tag(sysv/memory cma/memory)  rma(sysv/memory)
[1] [a:1:0] ucp_worker.c:1912 UCX  INFO    ucp_context_0 inter-node cfg#2 tag(rc_mlx5/mlx5_0:1)  rma(rc_mlx5/mlx5_0:1)
"""
OPEN_MPI = """Connection summary: (pml)
  on-host:  all connections are sm
  off-host: all connections are n/a
"""
FAST, SLOW = (1e-6, 10e9), (40e-6, 0.9e9)


def pair(same_host=True, figures=FAST):
    return Pair(0, 1, same_host, (figures[0], figures[0], figures[0]), figures[1], 4_000_000)


def test_what_is_written_while_mpi_starts_is_heard(tmp_path, capfd):
    folder, environ = tmp_path / "heard", {}
    folder.mkdir()
    with transport.listening(folder, environ) as heard:
        os.write(1, OPEN_MPI.encode())
        ucx = os.open(environ["UCX_LOG_FILE"], os.O_WRONLY | os.O_CREAT)
    os.write(1, b"later\n")
    os.write(ucx, UCX.encode())  # connections are made later
    os.close(ucx)
    assert not folder.exists()
    assert transport.told(heard)["between"] == "rc_mlx5/mlx5_0:1, says UCX"
    assert capfd.readouterr().out == "later\n"
    assert (environ["UCX_LOG_LEVEL"], environ[transport.OPEN_MPI_TELLS]) == ("info", "mpi_init")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (UCX, {"inside": "sysv/memory, cma/memory, says UCX", "between": "rc_mlx5/mlx5_0:1, says UCX"}),
        (OPEN_MPI, {"inside": "sm, says Open MPI"}),
        ("nothing", {}),
    ],
)
def test_words(tmp_path, said, expected):
    (tmp_path / "said").write_text(said)
    with ExitStack() as stack:
        assert transport.told([stack.enter_context(open(tmp_path / "said"))]) == expected


def test_a_rank_that_does_not_listen_asks_all_the_same():
    environ = {}
    with transport.listening(None, environ) as heard:
        pass
    assert (environ, transport.told(heard)) == ({transport.OPEN_MPI_TELLS: "mpi_init"}, {})


@pytest.mark.parametrize(
    ("one_pair", "said", "adapters", "status", "words"),
    [
        (pair(), {"inside": "sysv/memory, says UCX"}, [], "ok", "inside a host: sysv/memory, says UCX"),
        (pair(), {"inside": "tcp/eth0, says UCX"}, [], "warning", "tcp/eth0, says UCX: not shared memory"),
        (pair(figures=SLOW), {}, [], "warning", "like TCP, as measured: not shared memory"),
        (pair(), {}, [], "ok", "faster than TCP, as measured"),
        (pair(figures=(1e-6, 0.1e9)), {}, [], "ok", "cannot be told, as measured"),
        (pair(False), {"between": "rc_mlx5/mlx5_0:1"}, ["infiniband mlx5_0"], "ok", "between hosts: rc_mlx5"),
        (pair(False, SLOW), {}, ["cxi cxi0"], "problem", "the hosts have cxi cxi0, which MPI does not use"),
        (pair(False, SLOW), {}, [], "ok", "between hosts: like TCP, as measured"),
    ],
)
def test_judgement(facts, one, one_pair, said, adapters, status, words):
    found = one(transport.check([one_pair], said, [facts(adapters=adapters)], {}))
    assert found.status == status and words in found.found
    assert ("InfiniBand" in found.advice) == (one_pair.tcp_like and not one_pair.same_host)


def test_settings_are_named_and_a_lab_needs_no_advice(facts, one):
    found = one(transport.check([pair(False, SLOW)], {}, [facts(settings={"UCX_TLS": "tcp,self"})], {"GRADWIRE_NETWORK": "shaped"}))
    assert found.found.endswith("(UCX_TLS=tcp,self)") and not found.advice


def test_hosts_without_pairs_are_not_spoken_of(facts):
    assert list(transport.check([], {}, [facts()], {})) == []

"""Process groups and stand-ins for DDP's buckets. Under mpiexec `group` has all ranks, in a plain test it has one."""

from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture
def group(monkeypatch):
    dist = pytest.importorskip("torch.distributed", reason='needs PyTorch: pip install "gradwire[torch]"')
    from gradwire.torch import init_process_group

    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    init_process_group(timeout=60)
    yield dist.group.WORLD
    dist.destroy_process_group()


@pytest.fixture
def bucket():
    """bucket(parameters, gradient): as a hook gets it. gradient: float32 (n,), or a tensor of any dtype."""
    torch = pytest.importorskip("torch", reason='needs PyTorch: pip install "gradwire[torch]"')

    def make(parameters, gradient, index=0, is_last=True):
        buffer = torch.from_numpy(gradient.copy()) if isinstance(gradient, np.ndarray) else gradient
        return SimpleNamespace(
            index=lambda: index, is_last=lambda: is_last, buffer=lambda: buffer, parameters=lambda: list(parameters), gradients=list
        )

    return make

"""gradwire inside PyTorch's own training: a communication hook for DistributedDataParallel, and `compress_` for loops of your own.

    gradwire.torch.init_process_group()  # under torchrun, mpiexec or srun, or alone
    model = torch.nn.parallel.DistributedDataParallel(model)
    hook = gradwire.torch.ddp_hook("natural", error_feedback=True)
    model.register_comm_hook(hook.state, hook)

Messages travel through torch.distributed, over gloo; MPI is asked only for ranks and addresses. PyTorch is an optional extra.
"""

try:
    import torch  # noqa: F401  the modules below need it
except ImportError as error:
    raise ImportError('gradwire.torch needs PyTorch: pip install "gradwire[torch]"') from error

from .compress import compress_
from .hook import Hook, ddp_hook
from .launching import init_process_group
from .state import State

__all__ = ["Hook", "State", "compress_", "ddp_hook", "init_process_group"]

"""Train a CNN on fashion-mnist with DistributedDataParallel: codecs as its communication hook, beside PyTorch's own hooks.

    torchrun --nproc-per-node 2 experiments/torch_ddp.py --codec ddp --codec natural --codec fp16-torch
    mpiexec -n 2 python experiments/torch_ddp.py --codec "topk(ratio=0.01)+natural" --error-feedback --epochs 3

It prints the median step time; bytes per step that rank 0 gives to torch.distributed, of PyTorch's hooks those of the tensors that they
give to all_reduce (of DDP without a hook, `ddp`, they can't be counted); accuracy on the test images; ms per step inside the hook.
"""

import argparse
import time
from unittest import mock

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook

import gradwire.torch
from gradwire import data


def tensors(table):
    return torch.tensor(table.take(range(len(table.labels)))).view(-1, 1, 28, 28) / 255, torch.tensor(table.labels).long()


def noise(n):  # random images; of class c, row 2c is bright
    y = torch.randint(10, (n, 1, 1, 1))
    return torch.rand(n, 1, 28, 28) + (torch.arange(28).view(1, 1, 28, 1) == 2 * y), y.flatten()


def ddp(codec, error_feedback):
    """(model, its gradwire hook or None)."""
    conv = nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    model = nn.Sequential(*conv, nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))
    one_group = codec == "powersgd-torch"  # its callbacks call all_reduce, in any order: with gloo that fails if there are several groups
    model, hook = nn.parallel.DistributedDataParallel(model, bucket_cap_mb=1000 if one_group else None), None
    if one_group:
        model.register_comm_hook(powerSGD_hook.PowerSGDState(None, start_powerSGD_iter=2), powerSGD_hook.powerSGD_hook)
    elif codec in ("fp16-torch", "bf16-torch"):  # a function around it, because DDP knows bf16's by its name and wants NCCL
        model.register_comm_hook(None, lambda group, bucket: getattr(default_hooks, f"{codec[:-6]}_compress_hook")(group, bucket))
    elif codec != "ddp":
        hook = gradwire.torch.ddp_hook(codec, error_feedback)
        model.register_comm_hook(hook.state, hook)
    return model, hook


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--codec", action="append", required=True, help="one of gradwire's, ddp, {fp16,bf16,powersgd}-torch; may be repeated")
parser.add_argument("--error-feedback", action="store_true")
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--synthetic", type=int, metavar="N", help="N random images instead of fashion-mnist")
args = parser.parse_args()
gradwire.torch.init_process_group()
torch.set_num_threads(1)
rank, size, all_reduce, given = dist.get_rank(), dist.get_world_size(), dist.all_reduce, []
if args.synthetic:
    train, test = noise(args.synthetic), noise(args.synthetic)
else:
    found = data.load(gradwire.one("datasets", "fashion-mnist"), rank=rank, size=size, barrier=dist.barrier)
    train, test = tensors(found.train), tensors(found.test)
for codec in args.codec:
    torch.manual_seed(0)
    (model, hook), seconds = ddp(codec, args.error_feedback), given.clear() or []
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    with mock.patch.object(dist, "all_reduce", lambda tensor, *a, **k: given.append(tensor.nbytes) or all_reduce(tensor, *a, **k)):
        for rows in torch.cat([torch.randperm(len(train[1]) // size * size) for _ in range(args.epochs)]).split(64 * size):
            began, mine = time.perf_counter(), rows[rank::size]
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(train[0][mine]), train[1][mine]).backward()
            optimizer.step()
            seconds.append(time.perf_counter() - began)
    with torch.no_grad():
        right = sum((model.module(x).argmax(1) == y).sum().item() for x, y in zip(test[0].split(1000), test[1].split(1000)))
    if rank == 0:
        nbytes = (hook.state.bytes["sent"] + hook.state.bytes["control"] if hook else sum(given)) // len(seconds)
        took = ", ".join(f"{name} {1000 * s / len(seconds):.2f}" for name, s in hook.state.seconds.items()) if hook else ""
        shown = f"{1000 * torch.tensor(seconds).median():7.1f} ms {nbytes if codec != 'ddp' else '?':>8} bytes"
        print(f"{codec:25} {shown} {right / len(test[1]):7.4f} accuracy  {took}", flush=True)  # noqa: T201

"""Several processes' gradients, added by torch.distributed: gloo on the CPU, NCCL on GPUs; one process a GPU."""

from __future__ import annotations

import os
import socket
from datetime import timedelta

import numpy as np
import psutil
import torch
from torch import distributed

from bakeoff.frameworks._collective import addresses
from bakeoff.frameworks.torch.net import TorchNet
from bakeoff.frameworks.torch.synchronised import synchronise
from bakeoff.schemas import Array
from bakeoff.workers.team import Team


class Collective:
    """See `bakeoff.protocols.Collective`."""

    def __init__(self, team: Team, device: str) -> None:
        gpu, wait = device != "cpu" and torch.cuda.is_available(), timedelta(seconds=team.wait_s)
        for library in ("GLOO", "NCCL"):  # they would take the interface of the machine's name, wherever it leads
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", _interface(team.host))
        own = socket.create_server((team.host, 0))  # torch's own would listen at every address
        host, _, port = addresses(team, own.getsockname()[1])[0].rpartition(":")
        given = {} if team.rank else {"master_listen_fd": own.detach()}
        own.close()
        store = distributed.TCPStore(host, int(port), team.world, team.rank == 0, wait, **given)
        kind = "nccl" if gpu else "gloo"
        distributed.init_process_group(kind, store=store, rank=team.rank, world_size=team.world, timeout=wait)

    def add(self, net: TorchNet, more: Array) -> Array:
        """See `bakeoff.protocols.Collective`."""
        tensors = list(net.trainable.values())
        for tensor in tensors:
            if tensor.grad is None:
                tensor.grad = torch.zeros_like(tensor)
        gradients = [tensor.grad for tensor in tensors]
        whole = torch.cat([*(one.reshape(-1) for one in gradients), torch.from_numpy(more).to(gradients[0])])
        distributed.all_reduce(whole)
        *parts, found = whole.split([*(one.numel() for one in gradients), len(more)])
        for one, part in zip(gradients, parts, strict=True):
            one.copy_(part.view(one.shape))
        return np.asarray(found.double().cpu().numpy())

    def synchronise(self, net: TorchNet) -> None:
        """Let batch norm take its statistics over all workers' images."""
        synchronise(net.native)

    def close(self) -> None:
        """See `bakeoff.protocols.Collective`."""
        distributed.destroy_process_group()


def _interface(host: str) -> str:
    """The name of the network interface that has this address."""
    named = (name for name, found in psutil.net_if_addrs().items() if host in [one.address for one in found])
    return next(named, "")

"""python plain_traces.py FILE: every net of plain_nets captured, and what it says and learns, as a pickle."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from plain_nets import NETS, SIZE
from torch import nn

from bakeoff.frameworks.torch.capture import capture
from bakeoff.graph.passes import without_noise


def traced(kind: Any) -> dict[str, Any]:
    """Graph, images, logits; gradients and running statistics of one training pass, dropout at 0; canonical."""
    torch.manual_seed(3)
    model = kind().double()
    captured = capture(model, input_size=SIZE)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x, cotangent = torch.randn(3, 3, *SIZE, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    logits = model.eval()(x).detach().numpy().copy()
    out = model.train()(x)
    ((out if isinstance(out, torch.Tensor) else out[0]) * cotangent).sum().backward()
    named = [(captured.layouts[name], p) for name, p in model.named_parameters() if p.grad is not None]
    state = [(captured.layouts[name], t) for name, t in model.state_dict().items() if "running_" in name]
    return {
        "graph": without_noise(captured.graph),
        "x": x.permute(0, 2, 3, 1).numpy().copy(),
        "cotangent": cotangent.numpy(),
        "logits": logits,
        "gradients": {at.path: at.to_canonical(p.grad.numpy()) for at, p in named},
        "state": {at.path: at.to_canonical(tensor.numpy()) for at, tensor in state},
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    Path(sys.argv[1]).write_bytes(pickle.dumps({kind.__name__: traced(kind) for kind in NETS}))

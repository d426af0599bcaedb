"""The torch side of census_torch.py: a live model, its graph, its logits and four steps of its training."""

from __future__ import annotations

import copy
import json
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _census import BOTH, answered, asked, noise, questions, trainings
from _child import serve
from torch import nn

from bakeoff import frameworks
from bakeoff.conversion.questions import loss_of, work_of
from bakeoff.frameworks.torch.capture import Captured, capture
from bakeoff.frameworks.torch.live import LiveTorch
from bakeoff.graph.passes import without_noise

TABLE = json.loads((Path(__file__).parent / "transformers.json").read_text(encoding="utf-8"))


def made(name: str) -> Any:
    """The live module with random weights."""
    library, model = name.split("/")
    if library == "transformers":
        from bakeoff.zoo.sources import transformers

        return transformers.made(TABLE[model]["config"], 5)
    if library == "timm":
        import timm

        return timm.create_model(model, pretrained=False)
    import torchvision

    return torchvision.models.get_model(model, weights=None)


def shaken(model: Any, images: Any, seed: int = 0) -> None:
    """Constant parameters become random ones of their size; batch statistics are those of the images, shaken."""
    generator = torch.Generator().manual_seed(seed)

    def between(like: Any, low: float, high: float) -> Any:
        return torch.rand(like.shape, generator=generator) * (high - low) + low

    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    with torch.no_grad():
        for p in model.parameters():
            if p.is_floating_point() and (p.numel() == 1 or float(p.std()) == 0):
                c = float(p.flatten()[0])
                if c == 0:
                    p.copy_(torch.randn(p.shape, generator=generator) * 0.05)
                else:
                    p.copy_(between(p, 0.1, 0.4) if abs(c) < 0.05 else c * between(p, 0.7, 1.3))
        momenta = [m.momentum for m in norms]
        for m in norms:
            m.momentum = 1.0
        if norms:
            model.train()
            model(images)
        for m, momentum in zip(norms, momenta, strict=True):
            m.momentum = momentum
            m.running_mean.add_(torch.randn(m.running_mean.shape, generator=generator) * 0.1 * m.running_var.sqrt())
            m.running_var.mul_(between(m.running_var, 0.7, 1.4)).add_(1e-3)
    model.eval()


def source(name: str, size: int, folder: str, steps: str, adamw: bool) -> dict[str, Any]:
    """Capture, write back, train, rebuild in torch; leaves the graph and the traces in the folder."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = made(name)
    shaken(model, torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(1)))
    found = capture(model, input_size=(size, size))
    graph = without_noise(found.graph)
    (Path(folder) / "graph.pickle").write_bytes(pickle.dumps(graph))
    wanted = trainings(steps, work_of(graph, found.size), len(graph.nodes), adamw)
    draw = np.random.default_rng(7)
    trace = questions(int(str(graph.output_shape[-1])), lambda n: draw.normal(size=(n, size, size, 3)))
    trace |= asked(lambda precision: LiveTorch(model, found, precision), trace, wanted, loss_of(graph))
    np.savez(Path(folder) / "source.npz", **trace)
    count = found.graph.count(trainable=True)
    return {
        "bits": written_back(model, found),
        "nodes": len(graph.nodes),
        "fixed_size": found.fixed_size,
        "notes": [*found.notes, *map(str, found.declared)],
        "transposes": sum(node.op == "transpose" for node in graph.nodes),
        "count": count,
        "same_count": count == sum(p.numel() for p in model.parameters() if p.requires_grad),
        **noise(trace),
        **answered(
            "torch", lambda precision: rebuilt(graph, precision), graph, {key: trace[key] for key in ("x", *BOTH)}
        ),
    }


def rebuilt(graph: Any, precision: str) -> Any:
    return frameworks.load("torch").native(graph.astype(precision), precision=precision, threads=1)


def written_back(model: Any, found: Captured) -> bool:
    """Whether the graph's arrays go into another instance, strictly, and are the model's own bit for bit."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in other.state_dict().values():
            tensor.zero_()
    state = found.state_dict(found.graph.arrays())
    tensors = OrderedDict((key, torch.from_numpy(np.array(array))) for key, array in state.items())
    tensors._metadata = model.state_dict()._metadata  # type: ignore[attr-defined]  # MNASNet asks for its version
    other.load_state_dict(tensors, strict=True)
    pairs = zip(other.state_dict().values(), model.state_dict().values(), strict=True)
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


if __name__ == "__main__":
    serve(source)

"""Activations write over their input where nobody else reads it, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.graph import Composer, Graph
from bakeoff.graph.interpreter import run
from bakeoff.ops._dimension import Dim


def net() -> Graph:
    c = Composer((Dim("batch"), 8, 8, 3))
    x = c.add("conv2d", "conv", c.input, filters=4, kernel=(3, 3), pad="same")
    x = c.add("relu", "alone", c.add("batch_norm", "norm", x))
    x = c.add("conv2d", "read_twice", x, filters=4, kernel=(1, 1))
    y, z = c.add("relu", "one", x), c.add("relu6", "beside", x)
    both = c.add("relu", "joined", c.add("add", "sum", y, z))
    first = c.add("relu", "first", c.input)
    ends = [c.add("global_avg_pool", f"pool{k}", one) for k, one in enumerate((both, first))]
    return c.finish(c.add("dense", "head", c.add("concat", "all", *ends, axis=1), units=3))


def test_only_what_nobody_else_reads_is_written_over(framework: str) -> None:
    if framework != "torch":
        pytest.skip("PyTorch's own")
    import torch

    from bakeoff.frameworks.torch.build import build

    graph = net()
    module = build(graph.astype("float64"), "float64").module
    places = {name: getattr(module, name).inplace for name in ("alone", "one", "beside", "joined", "first")}
    assert places == {"alone": True, "one": False, "beside": False, "joined": True, "first": False}
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    given = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().requires_grad_()
    kept = given.detach().clone()
    module(given).sum().backward()
    assert torch.equal(given.detach(), kept)
    assert np.abs(module(given).detach().numpy() - run(graph.astype("float64"), images)).max() < 1e-12

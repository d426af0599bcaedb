"""Stages: where the image gets smaller, or the blocks of a net that never shrinks; cutting and freezing at them."""

from __future__ import annotations

import pytest

from bakeoff import models
from bakeoff.errors import UsageError
from bakeoff.graph import Composer, Graph, passes, trainable
from bakeoff.graph.stages import features_node, last_on_way, place, stages
from bakeoff.ops._dimension import Dim


@pytest.fixture(scope="module")
def lite() -> Graph:
    return models.build("efficientnet_lite0", (64, 64), 3, 10)


def test_a_stage_ends_where_the_image_gets_smaller(lite: Graph) -> None:
    found = stages(lite)
    assert list(found) == ["stage1", "stage2", "stage3", "stage4", "stage5"]
    sides = [lite.shapes[passes.Ref(last_on_way(lite, group).id)] for group in found.values()]
    assert [shape[1] for shape in sides[:-1]] == [32, 16, 8, 4]
    assert sides[-1][1:] == (1280,)


def test_a_net_can_be_cut_at_a_stage_or_a_module(lite: Graph) -> None:
    assert passes.cut(lite, place(lite, "stage2")).output_shape[-1] in (24, 144)
    assert place(lite, "_blocks.2") == "_blocks.2._add"
    assert features_node(lite).node == "_dropout"
    with pytest.raises(UsageError, match=r"--until stage9: no such stage or module; did you mean 'stage"):
        place(lite, "stage9")


def tokens() -> Graph:
    net = Composer((Dim("batch"), 8, 8, 3), seed=0)
    x = net.add("conv2d", "patch", net.input, filters=6, kernel=(4, 4), stride=(4, 4))
    x = net.add("reshape", "rows", x, shape=(Dim("batch"), 4, 6))
    for index in range(4):
        y = net.add("dense", f"blocks.{index}.mlp", x, units=6)
        x = net.add("add", f"blocks.{index}.sum", x, y)
    x = net.add("reduce_mean", "pool", x, axes=(1,))
    return net.finish(net.add("dense", "head", x, units=5))


def test_a_transformer_is_divided_at_its_blocks() -> None:
    graph = tokens()
    assert len(stages(graph)) == 4
    assert place(graph, "stage2") == "blocks.1.sum"
    assert passes.cut(graph, "blocks.1.sum").output_shape[1:] == (6,)


def test_all_but_the_last_stages_are_frozen() -> None:
    graph = tokens()
    frozen = trainable.freeze(graph, ["all but last 2 stages"])
    learned = {path for path, parameter in frozen.parameters.items() if parameter.trainable}
    heads = {"head.kernel", "head.bias"}
    assert learned == heads | {f"blocks.{index}.mlp.{slot}" for index in (2, 3) for slot in ("kernel", "bias")}
    assert trainable.freeze(graph, ["all but the last 1 stage"]).count(trainable=True) == 36 + 6 + 35
    with pytest.raises(UsageError, match="has 4 stages"):
        trainable.freeze(graph, ["all but last 9 stages"])


@pytest.mark.parametrize("share", [0, 30, 50, 99, 100])
def test_all_but_a_share_of_the_weights_is_frozen(lite: Graph, share: int) -> None:
    """The first layers, as many as leave at least that share to learn: with one more, it would be less."""
    net = passes.with_head(lite, 3, seed=0, name="head")
    whole = lite.count()
    frozen = trainable.freeze(net, [f"all but the last {share} % of the weights"])
    held = [p for p in lite.parameters if not frozen.parameters[p].trainable and lite.parameters[p].role == "weight"]
    following = [p for p in lite.parameters if p not in held and lite.parameters[p].role == "weight"][:1]
    sizes = [sum(lite.parameters[path].array.size for path in paths) for paths in (held, held + following)]
    assert sizes[0] <= (1 - share / 100) * whole
    assert not following or sizes[1] > (1 - share / 100) * whole
    assert all(frozen.parameters[path].trainable for path in ("head.kernel", "head.bias"))

"""Graphs refuse what can't be computed, names stay legal, and layouts have an inverse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError, UnsupportedError
from bakeoff.graph import Composer, Graph, Ref, run
from bakeoff.graph.graph import weights_sha256
from bakeoff.graph.lowering import Binding, Features
from bakeoff.graph.names import keras_name, torch_path
from bakeoff.ops._dimension import Dim


def small() -> Graph:
    c = Composer((Dim("batch"), 5, 4, 3))
    x = c.add("conv2d", "conv", c.input, filters=2, kernel=[3, 3])
    x = c.add("batch_norm", "bn", x)
    return c.finish(c.add("dense", "head", c.add("flatten", "flat", x), units=2))


def test_shapes_counts_and_users() -> None:
    graph = small()
    assert graph.output_shape == (Dim("batch"), 2)
    assert graph.shapes[Ref("conv")] == (Dim("batch"), 3, 2, 2)
    assert graph.count() == 3 * 3 * 3 * 2 + 2 + 4 + 12 * 2 + 2
    assert graph.users["conv.kernel"] == ("conv",)
    assert run(graph, np.zeros((2, 5, 4, 3), "float32")).shape == (2, 2)


def test_start_weights_do_not_depend_on_the_order_of_declaration() -> None:
    c = Composer((Dim("batch"), 5, 4, 3))
    c.add("conv2d", "other", c.input, filters=2, kernel=(3, 3))
    x = c.add("conv2d", "conv", c.input, filters=2, kernel=(3, 3))
    assert np.array_equal(c.finish(x).parameters["conv.kernel"].array, small().parameters["conv.kernel"].array)


def test_a_node_before_its_input_is_refused() -> None:
    graph = small()
    with pytest.raises(BakeoffError, match="comes before its inputs"):
        replace(graph, nodes=graph.nodes[::-1])


def test_a_node_twice_or_without_its_parameters_is_refused() -> None:
    graph = small()
    with pytest.raises(BakeoffError, match="there twice"):
        replace(graph, nodes=(*graph.nodes, graph.nodes[0]))
    with pytest.raises(BakeoffError, match=r"conv\.kernel"):
        replace(graph, parameters={})


def test_a_shape_that_can_not_be_names_the_node() -> None:
    c = Composer((Dim("batch"), 2, 2, 3))
    with pytest.raises(UnsupportedError, match=r"does not fit.*\n?.*at tiny"):
        c.finish(c.add("conv2d", "tiny", c.input, filters=2, kernel=(3, 3))).output_shape  # noqa: B018


def test_weights_of_another_shape_or_name_are_refused() -> None:
    graph = small()
    with pytest.raises(BakeoffError, match="no parameter 'nose'"):
        graph.with_arrays({"nose": np.zeros(2)})
    with pytest.raises(BakeoffError, match="expects"):
        graph.with_arrays({"head.bias": np.zeros(3)})


def test_the_hash_is_of_numbers_and_not_of_memory() -> None:
    arrays = small().arrays()
    turned = {path: np.asfortranarray(array) for path, array in reversed(arrays.items())}
    assert weights_sha256(arrays) == weights_sha256(turned)
    assert weights_sha256(arrays) != weights_sha256({**arrays, "head.bias": arrays["head.bias"] + 1})


@given(st.from_regex(r"[a-z_0-9/:]{1,8}(\.[a-z_0-9]{1,5}){0,3}", fullmatch=True))
def test_names_are_legal(path: str) -> None:
    assert all(
        part.isidentifier() or part.isdigit() or part[0].isdigit() for part in torch_path(path).split(".") if part
    )
    assert keras_name(path)[0].isalnum()
    assert torch_path("block.train.forward") == "block.train_.forward_"


PATTERNS = [
    ("h w i o -> o i h w", {}, (3, 2, 4, 6)),
    ("h w 1 (g m) -> h w g m", {"g": 3}, (3, 2, 1, 6)),
    ("(f1 f2 f3) o -> o (f3 f1 f2)", {"f1": 2, "f2": 3, "f3": 4}, (24, 5)),
    ("", {}, (3, 2)),
]


@pytest.mark.parametrize(("pattern", "sizes", "shape"), PATTERNS)
def test_layouts_have_an_inverse_and_copy(pattern: str, sizes: dict[str, int], shape: tuple[int, ...]) -> None:
    binding = Binding("path", "owner", "attribute", pattern, tuple(sizes.items()))
    array = np.arange(np.prod(shape)).reshape(shape)
    native = binding.to_native(array)
    assert np.array_equal(binding.to_canonical(native), array)
    assert not np.shares_memory(native, array)
    assert not np.shares_memory(binding.to_canonical(native), native)


def test_features_say_how_an_axis_is_counted() -> None:
    features = Features((1, 2, 3), (3, 1, 2), (2, 3, 4))
    assert features.group(physical=False) == "(f1 f2 f3)"
    assert features.group(physical=True) == "(f3 f1 f2)"
    assert features.named_sizes() == {"f1": 2, "f2": 3, "f3": 4}

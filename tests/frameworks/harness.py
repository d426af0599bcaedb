"""A graph as the native net of this process's framework: values, gradients, state, the same calls for all three."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from page_cases import as_one, draw_parameters, inputs_of

from bakeoff.graph import Graph, Node, Parameter, Ref, run
from bakeoff.ops import page
from bakeoff.ops._dimension import Dim
from bakeoff.ops._page import Case, Mode
from bakeoff.parity import draws
from bakeoff.schemas import Array


@dataclass
class Pass:
    """What one pass gave: the output, gradients of sum(output * cotangent), and the parameters afterwards."""

    output: Array
    inputs: list[Array]
    parameters: dict[str, Array]
    after: dict[str, Array]


def one_node(op: str, case: Case, dtype: str, free: bool = False) -> Graph:
    """The net of a single operator, with drawn parameters; the batch is a symbol, and height and width if free."""
    chosen, attributes = page(op), case.attributes
    slots = chosen.parameters(attributes, *case.inputs) if hasattr(chosen, "parameters") else {}
    names = ["input", *(f"input{index}" for index in range(1, len(case.inputs)))]
    node = Node("node", op, attributes, tuple(map(Ref, names)), {slot: f"node.{slot}" for slot in slots}, "node")
    parameters = {
        f"node.{slot}": Parameter(f"node.{slot}", array, slots[slot].role)
        for slot, array in draw_parameters(slots, dtype).items()
    }
    sides = ("height", "width") if free else ()
    shapes = {name: (Dim("batch"), *shape[1:]) for name, shape in zip(names, case.inputs, strict=True)}
    for name, (batch, *rest) in shapes.items():  # a 1 that is to grow stays
        known = (size if size == 1 else Dim(side) for size, side in zip(rest, sides, strict=False))
        shapes[name] = (batch, *known, *rest[len(sides) :])
    parts = chosen.shape(attributes, *shapes.values())
    if not isinstance(parts[0], tuple):
        return Graph(shapes, (node,), {"logits": Ref("node")}, parameters)
    refs = tuple(Ref("node", index) for index in reversed(range(len(parts))))  # all outputs in one, see `as_one`
    joined = Node("all", "concat", page("concat").Attributes(attributes.axis), refs)
    return Graph(shapes, (node, joined), {"logits": Ref("all")}, parameters)


def truth_of(op: str, case: Case, inputs: list[Array], slots: dict[str, Array], mask: Any = None) -> Array:
    """The page's truth."""
    mode = Mode(case.train, mask)
    return as_one(case.attributes, page(op).truth(mode, case.attributes, *inputs, **slots))


def slots_of(graph: Graph) -> dict[str, Array]:
    """The parameters of a one-node net, by slot."""
    return {path.removeprefix("node."): parameter.array for path, parameter in graph.parameters.items()}


def mask_of(op: str, attributes: Any, output: Array) -> Callable[[tuple[int, ...], float], Array]:
    """The mask that a random operator must have drawn, read off its output."""
    wanted = page(op).mask_shape(output.shape, attributes)
    axes = tuple(axis for axis, size in enumerate(wanted) if size != output.shape[axis])
    kept = (output != 0).any(axes, keepdims=True) if axes else output != 0
    return lambda shape, keep: kept.astype(output.dtype)


def native(framework: str, graph: Graph, dtype: str, **settings: Any) -> Any:
    """A net with `run(inputs, train, cotangent)`, `arrays()` and `built`."""
    if framework == "torch":
        return TorchNative(graph, dtype, **settings)
    return KerasNative(framework, graph, dtype, **settings)


class TorchNative:
    """Images come and go as (N, H, W, C).

    Args:
        lifted: float64 is exact where torch's own isn't, as in the trial.
    """

    def __init__(self, graph: Graph, dtype: str, *, lifted: bool = True) -> None:
        import torch

        from bakeoff.frameworks.torch.build import build
        from bakeoff.frameworks.torch.lifted import Lifted

        self.torch, self.built = torch, build(graph, dtype)
        self.arrays = self.built.arrays
        self.around = Lifted() if dtype == "float64" and lifted else nullcontext()

    def run(self, inputs: list[Array], train: bool = False, cotangent: Array | None = None) -> Pass:
        torch = self.torch
        self.built.module.train(train)
        given = [torch.tensor(x, requires_grad=True) for x in inputs]
        with self.around:
            out = self.built.module(*(x.permute(0, 3, 1, 2) if x.dim() == 4 else x for x in given))
        y = out.detach().numpy().copy()
        if cotangent is None:
            return Pass(y, [], {}, self.arrays())
        weights = {
            path: self.built.tensor(binding)
            for path, binding in self.built.bindings.items()
            if self.built.tensor(binding).requires_grad
        }
        wanted = [*given, *weights.values()]
        found = [torch.zeros_like(one) for one in wanted]
        if out.requires_grad:
            found = torch.autograd.grad(out, wanted, torch.tensor(cotangent), allow_unused=True, materialize_grads=True)
        grads = [gradient.numpy() for gradient in found]
        by_path = {p: self.built.bindings[p].to_canonical(g) for p, g in zip(weights, grads[len(given) :], strict=True)}
        return Pass(y, grads[: len(given)], by_path, self.arrays())


class KerasNative:
    """The same on TensorFlow, eagerly, and on JAX, compiled."""

    def __init__(self, framework: str, graph: Graph, dtype: str, **settings: Any) -> None:
        from bakeoff.frameworks._keras.build import build
        from bakeoff.frameworks._keras.float64 import enable

        enable()
        self.framework, self.built = framework, build(graph, dtype, **settings)
        self.arrays = self.built.arrays
        paths = [path for path in self.built.bindings if graph.parameters[path].role == "weight"]
        self.weights = {path: self.built.variable(self.built.bindings[path]) for path in paths}

    def run(self, inputs: list[Array], train: bool = False, cotangent: Array | None = None) -> Pass:
        run = self._tensorflow if self.framework == "tensorflow" else self._jax
        y, grads, by_path = run(inputs, train, cotangent)
        canonical = {path: self.built.bindings[path].to_canonical(np.array(g)) for path, g in by_path.items()}
        return Pass(np.array(y), [np.array(g) for g in grads], canonical, self.arrays())

    def _call(self, inputs: list[Any], train: bool) -> Any:
        return self.built.model(inputs if len(inputs) > 1 else inputs[0], training=train)

    def _tensorflow(self, inputs: list[Array], train: bool, cotangent: Array | None) -> Any:
        import tensorflow as tf

        given = [tf.constant(x) for x in inputs]
        weights = [variable.value for variable in self.weights.values()]
        with tf.GradientTape() as tape:
            tape.watch([*given, *weights])
            y = self._call(given, train)
        if cotangent is None:
            return y, [], {}
        zero = tf.UnconnectedGradients.ZERO
        grads = tape.gradient(y, [*given, *weights], tf.constant(cotangent), unconnected_gradients=zero)
        return y, grads[: len(given)], dict(zip(self.weights, grads[len(given) :], strict=True))

    def _jax(self, inputs: list[Array], train: bool, cotangent: Array | None) -> Any:
        import jax
        from keras import StatelessScope

        chosen = list(self.weights.values())
        others = [v for v in self.built.model.variables if all(v is not w for w in chosen)]

        def forward(given: Any, weights: Any, rest: Any) -> Any:
            mapping = [*zip(chosen, weights, strict=True), *zip(others, rest, strict=True)]
            with StatelessScope(state_mapping=mapping) as scope:
                y = self._call(given, train)
            return y, [scope.get_current_value(v) for v in others]

        def both(given: Any, weights: Any, rest: Any, v: Any) -> Any:
            y, back, new = jax.vjp(lambda g, w: forward(g, w, rest), given, weights, has_aux=True)
            return y, new, *back(v)

        state = [v.value for v in chosen], [v.value for v in others]
        if cotangent is None:
            y, new = jax.jit(forward)(inputs, *state)
            grads, by_path = [], {}
        else:
            y, new, grads, weights = jax.jit(both)(inputs, *state, cotangent)
            by_path = dict(zip(self.weights, weights, strict=True))
        for variable, value in zip(others, new, strict=True):
            variable.assign(value)
        return y, grads, by_path


def draws_agree(live: Any, rebuilt: Any, given: Any) -> None:
    """What a live net (8 x 8 pixels, 5 classes) drew is handed to the one it is rebuilt as: both say the same."""

    def asked(net: Any, given: Any) -> tuple[float, Any, Any]:
        net.compile("sgd", {"momentum": 0.9}, "softmax_cross_entropy")
        net.given = given
        images = np.random.default_rng(0).normal(size=(6, 8, 8, 3))
        return net.gradients(images, np.arange(6) % 5).loss, net.gradient_arrays(), net.drawn

    loss, gradients, drawn = asked(live, given)
    other, found, seen = asked(rebuilt, draws.values(drawn))
    assert [check for check in draws.checks(seen, drawn) if not check.passed] == []
    assert abs(other - loss) <= 1e-14 * abs(loss)
    top = max(np.abs(array).max() for array in gradients.values())
    fewer, more = sorted((gradients, found), key=len)  # a twin may hold weights apart, or not give all back
    assert all(np.abs(more[path] - fewer[path]).max() < 1e-13 * top for path in fewer)


def holds_and_learns(graph: Graph, built: Any, x: Array) -> None:
    """A native net holds the graph's arrays, and its gradients, in float64, are differences of the interpreter."""
    arrays = built.arrays()
    assert arrays.keys() == graph.parameters.keys()
    for path, array in arrays.items():
        assert array.dtype == graph.parameters[path].array.dtype
        assert np.array_equal(array, graph.parameters[path].array)
    cotangent = np.random.default_rng(1).normal(size=run(graph, x).shape)
    found = built.run([x], False, cotangent).parameters
    assert found.keys() == {path for path, p in graph.parameters.items() if p.role == "weight"}
    rng, step = np.random.default_rng(2), 1e-6
    for path, gradient in found.items():
        array, direction = graph.parameters[path].array, rng.normal(size=gradient.shape)
        ahead, behind = (
            (run(graph.with_arrays({path: array + h * direction}), x) * cotangent).sum() for h in (step, -step)
        )
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction) + 1e-2
        assert abs((gradient * direction).sum() - (ahead - behind) / (2 * step)) <= 1e-7 * scale, path


def in_onnx(graph: Graph, x: Array) -> Array:
    """The graph's output in ONNX Runtime."""
    import onnxruntime

    from bakeoff.runtimes._onnx_build import to_onnx

    model = to_onnx(graph, dtype=x.dtype.name)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: Array = session.run(None, {"input": np.ascontiguousarray(x.transpose(0, 3, 1, 2))})[0]
    return found


def cases() -> list[Any]:
    """(operator, name of the case) of all pages but the losses."""
    from bakeoff.ops import names

    return [(op, name) for op in names() if not hasattr(page(op), "LOSS") for name in page(op).CASES]


def relative(found: Array, expected: Array) -> float:
    """The largest difference, of the largest expected value."""
    if found.shape != expected.shape:
        return float("inf")
    if not expected.size:
        return 0.0
    if np.isnan(found).any() and not np.isnan(expected).any():
        return float("inf")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), np.finfo(expected.dtype).tiny))


def case_inputs(op: str, name: str, dtype: str) -> tuple[Case, list[Array]]:
    """A case and its inputs."""
    case = page(op).CASES[name]
    return case, inputs_of(case, dtype)

"""A classifier as a small graph: immutable nodes, parameters as values, shapes worked out from the pages.

A Graph has:
    inputs       {"input": (batch, height, width, channels)}
    nodes        in the order of computation
    outputs      {"logits": Ref}
    parameters   {path: Parameter}, canonical layout, NumPy
    penalties    terms of the loss that live in the model
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from bakeoff.errors import BakeoffError, UnsupportedError
from bakeoff.ops import page
from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Slot
from bakeoff.schemas import Array, Brief

Role = Literal["weight", "state", "constant"]


@dataclass(frozen=True)
class Ref:
    """An output of a node, or of the graph's input of that name."""

    node: str
    index: int = 0


@dataclass(frozen=True)
class Parameter:
    """An array in canonical layout (channels last, kernel HWIO, dense IO).

    Attributes:
        role: weight (learned), state (kept by the forward pass in training), constant.
        trainable: whether training may change a weight.
    """

    path: str
    array: Array
    role: Role = "weight"
    trainable: bool = True


@dataclass(frozen=True)
class Penalty:
    """A term of the loss that lives in the model, as Keras's regularizers: l1 sum |x| + l2 sum x^2.

    Attributes:
        on: a parameter's path: it counts while that is trained, once, however many nodes read it. Or a value: it counts
            in every training pass, divided by the size of the value's first axis where it has one.
    """

    on: str | Ref
    l1: float = 0.0
    l2: float = 0.0


@dataclass(frozen=True)
class Node:
    """One operator at work.

    Attributes:
        id: unique in the graph.
        path: the module path of the source; two nodes that share a module share it.
        parameters: {slot: path of a parameter, or another node's output}.
    """

    id: str
    op: str
    attributes: Any
    inputs: tuple[Ref, ...]
    parameters: Mapping[str, str | Ref] = field(default_factory=dict)
    path: str = ""

    @property
    def name(self) -> str:
        """The module path, or the id where there is none."""
        return self.path or self.id

    @property
    def draws(self) -> bool:
        """Whether it draws random numbers in training."""
        return bool(self.page.DRAWS) and (
            self.attributes.rate > 0 or getattr(self.attributes, "kind", "bernoulli") != "bernoulli"
        )

    @property
    def masks(self) -> bool:
        """Whether what it draws are masks by its rate: at rate 0, none."""
        return bool(self.page.DRAWS == "masks")

    @property
    def keeps_state(self) -> bool:
        """Whether a training pass moves its state."""
        return bool(self.page.keeps_state(self.attributes))

    @property
    def predicts(self) -> Ref | None:
        """The input that is all that is left of it in prediction, if one is."""
        place = self.page.PREDICTS
        return None if place is None else self.inputs[place]

    @property
    def page(self) -> Any:
        """The page of its operator."""
        return page(self.op)


@dataclass(frozen=True, repr=False)
class Graph(Brief):
    """Immutable; passes return new graphs."""

    inputs: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    outputs: Mapping[str, Ref]
    parameters: Mapping[str, Parameter]
    penalties: tuple[Penalty, ...] = ()

    def __post_init__(self) -> None:
        known = set(self.inputs)
        for node in self.nodes:
            needs = [*node.inputs, *(v for v in node.parameters.values() if isinstance(v, Ref))]
            missing = [ref.node for ref in needs if ref.node not in known]
            if node.id in known or missing:
                raise BakeoffError(f"graph: node {node.id!r} is there twice, or comes before its inputs {missing}")
            lost = [path for path in node.parameters.values() if isinstance(path, str) and path not in self.parameters]
            if lost:
                raise BakeoffError(f"graph: node {node.id!r} asks for parameters that are not there: {lost}")
            known.add(node.id)
        paths = [penalty.on for penalty in self.penalties if isinstance(penalty.on, str)]
        if len(set(paths)) < len(paths):
            raise BakeoffError("graph: two terms of the loss are on one parameter: say them as one, l1 and l2")
        for penalty in self.penalties:
            if penalty.on not in self.parameters and not (isinstance(penalty.on, Ref) and penalty.on.node in known):
                raise BakeoffError(f"graph: a term of the loss is on {penalty.on}, which is not there")

    @cached_property
    def shapes(self) -> Mapping[Ref, Shape]:
        """The shape of every value."""
        found: dict[Ref, Shape] = {Ref(name): tuple(shape) for name, shape in self.inputs.items()}
        for node in self.nodes:
            try:
                shape = node.page.shape(node.attributes, *(found[ref] for ref in node.inputs))
            except UnsupportedError as error:
                raise UnsupportedError(f"{error} [at {node.name}]") from None
            many = bool(shape) and isinstance(shape[0], tuple)
            for index, one in enumerate(shape if many else (shape,)):
                found[Ref(node.id, index)] = one
        return found

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        """The canonical shapes of a node's inputs."""
        return tuple(self.shapes[ref] for ref in node.inputs)

    def slots(self, node: Node) -> dict[str, Slot]:
        """What parameters a node asks for."""
        declare = getattr(node.page, "parameters", None)
        found: dict[str, Slot] = declare(node.attributes, *self.input_shapes(node)) if declare else {}
        return found

    @property
    def input_shape(self) -> Shape:
        """The shape of the one input: (batch, height, width, channels)."""
        return next(iter(self.inputs.values()))

    @property
    def output(self) -> Ref:
        """The one output."""
        return next(iter(self.outputs.values()))

    @property
    def output_shape(self) -> Shape:
        """The shape of the one output, (batch, classes) for a classifier."""
        return self.shapes[self.output]

    @cached_property
    def users(self) -> Mapping[str, tuple[str, ...]]:
        """Which nodes read a parameter: {path: node ids}; empty for unused ones."""
        found: dict[str, list[str]] = {path: [] for path in self.parameters}
        for node in self.nodes:
            for path in node.parameters.values():
                if isinstance(path, str):
                    found[path].append(node.id)
        return {path: tuple(ids) for path, ids in found.items()}

    @cached_property
    def dtype(self) -> str:
        """The precision of its weights; counters, tables of positions and constants don't count."""
        ranked = sorted(self.parameters.values(), key=lambda parameter: parameter.role == "constant")
        kinds = (p.array.dtype for p in ranked)
        return next((kind.name for kind in kinds if np.issubdtype(kind, np.floating)), "float32")

    def node(self, id: str) -> Node:
        """The node of that id."""
        return next(node for node in self.nodes if node.id == id)

    def count(self, *, trainable: bool = False) -> int:
        """How many weights (running statistics apart), all or only the trainable ones."""
        chosen = (p for p in self.parameters.values() if p.role == "weight" and (p.trainable or not trainable))
        return sum(parameter.array.size for parameter in chosen)

    def arrays(self) -> dict[str, Array]:
        """All parameters by path, sorted; the arrays themselves, not copies."""
        return {path: self.parameters[path].array for path in sorted(self.parameters)}

    def with_arrays(self, arrays: Mapping[str, Array]) -> Graph:
        """The same graph with other numbers; paths that are not named keep theirs.

        Raises:
            BakeoffError: a path is unknown or a shape differs.
        """
        for path, array in arrays.items():
            if path not in self.parameters:
                raise BakeoffError(f"weights: the net has no parameter {path!r}")
            if array.shape != self.parameters[path].array.shape:
                expected = self.parameters[path].array.shape
                raise BakeoffError(f"weights: {path} has shape {array.shape}, the net expects {expected}")
        merged = {path: replace(p, array=arrays.get(path, p.array)) for path, p in self.parameters.items()}
        return replace(self, parameters=merged)

    def astype(self, dtype: str) -> Graph:
        """The same graph with its floating-point parameters in another precision."""
        cast = {
            path: p.array.astype(dtype)
            for path, p in self.parameters.items()
            if np.issubdtype(p.array.dtype, np.floating)
        }
        return self.with_arrays(cast)


def weights_sha256(arrays: Mapping[str, Array]) -> str:
    """SHA-256 over the canonical arrays in order of their paths (little-endian, C order), never over file bytes."""
    digest = hashlib.sha256()
    for path in sorted(arrays):
        array = np.ascontiguousarray(arrays[path])
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()

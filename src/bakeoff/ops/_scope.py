"""What a lowering sees of its surroundings."""

from __future__ import annotations

from typing import Any, Protocol

from bakeoff.ops._dimension import Shape, Size
from bakeoff.schemas import Array


class Scope(Protocol):
    """What a lowering sees. Inputs and outputs are the library's own symbolic values."""

    lib: Any  # torch, keras, or onnx.helper
    own: (
        Any  # the few modules or layers that the library lacks: frameworks/torch/layers.py, frameworks/_keras/layers.py
    )
    batch_norm: str  # "exact", or "stock": the library's own layer though its running variance differs
    name: str  # the node's name
    shapes: tuple[Shape, ...]  # canonical shapes of the inputs
    orders: tuple[tuple[int, ...], ...]  # how they lie: the canonical axis of each physical axis
    dtype: str  # of the weights: "float32", "float64", ...
    mixed: bool  # whether 16 bits are mixed in: what the page computes in `dtype` all the same, it says (softmax)

    def module(self, make: Any, *inputs: Any) -> Any:
        """Register a native module or layer under the node's name, holding the node's parameters, and apply it."""

    def helper(self, make: Any, *inputs: Any, suffix: str) -> Any:
        """The same for a module or layer without parameters that only helps: its name is the node's with the suffix."""

    def owned(self) -> bool:
        """Whether the native module may hold all parameters: none is computed, bare or shared with another operator."""

    def parameter(self, slot: str, pattern: str | None = None, **sizes: int) -> Any:
        """A parameter as a value (or the node's output that takes its place), rearranged by an einops pattern."""

    def constant(self, array: Array) -> Any:
        """A constant array as a value."""

    def axis(self, canonical: int, of: int = 0) -> int:
        """Where an input's canonical axis lies physically."""

    def laid(self, native: Any, axes: tuple[int, ...]) -> Any:
        """An output that says how it lies: the canonical axis of each physical axis."""

    def arranged(self, index: int, axes: tuple[int, ...]) -> Any:
        """An input moved into an order of axes."""

    def reshaped(self, shape: Shape) -> Any:
        """The first input in another canonical shape, with as few moves as can be; laid."""

    def reshape(self, native: Any, before: Shape, shape: Shape) -> Any:
        """A value of one physical shape in another; sizes may be symbols."""

    def permute(self, native: Any, order: tuple[int, ...]) -> Any:
        """A transpose of physical axes."""

    def expand(self, native: Any, before: Shape, shape: Shape) -> Any:
        """A value whose axes of size 1 are repeated, from one physical shape to another of the same rank."""

    def size(self, size: Size) -> Any:
        """A size as a number, or as what the net works it out to be (torch, ONNX)."""

    def emit(self, op: str, inputs: list[Any], **attributes: Any) -> Any:
        """ONNX only: append a node, give its output."""

    def emit_many(self, op: str, inputs: list[Any], outputs: int, **attributes: Any) -> tuple[Any, ...]:
        """ONNX only: append a node of several outputs, give them."""

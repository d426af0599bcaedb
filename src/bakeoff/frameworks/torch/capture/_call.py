"""One call of the exported program, as importers see it: `bakeoff.ops._page.Call`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bakeoff import ops
from bakeoff.errors import UnsupportedError
from bakeoff.frameworks.torch.capture._builder import Builder
from bakeoff.frameworks.torch.capture._values import (
    Condition,
    Counted,
    Known,
    Noise,
    Unexplained,
    Value,
    Weight,
    inverse,
    plain,
    sizes_of,
)
from bakeoff.graph.draws import Key
from bakeoff.graph.graph import Ref

if TYPE_CHECKING:
    from collections.abc import Mapping

Tensorial = Value | Weight | Known
ARITHMETIC = frozenset(f"aten.{name}" for name in ("add", "sub", "rsub", "mul", "multiply", "div", "divide"))


class Call:
    """See `bakeoff.ops._page.Call`.

    Args:
        node: the call in the exported program.
        known: what every earlier node is.
        builder: takes the nodes.
        path: of the module that made the call.
    """

    def __init__(self, node: torch.fx.Node, known: Mapping[Any, Any], builder: Builder, path: str) -> None:
        schema = node.target._schema  # type: ignore[union-attr]
        self.node, self.builder, self.path, self.lib = node, builder, path, torch
        raw = schema.name.split("::")[1]
        self.in_place = raw.endswith("_") and not raw.endswith("__")
        self.name = "aten." + (raw[:-1] if self.in_place else raw)
        self.overload = str(schema.overload_name or "default")
        self._known = known
        self._arguments = _bound(node, schema)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments as they stand in the program."""
        return self._arguments

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        meta = self.node.meta.get("val")
        many = meta if isinstance(meta, list | tuple) else (meta,)
        return tuple(sizes_of(one) for one in many if isinstance(one, torch.Tensor))

    @property
    def sizes(self) -> tuple[int, ...]:
        return self.shapes[0]

    @property
    def epsilon(self) -> float:
        return float(torch.finfo(self.dtype).eps)

    @property
    def dtype(self) -> torch.dtype:
        """Of the result."""
        meta = self.node.meta["val"]
        found: torch.dtype = (meta if isinstance(meta, torch.Tensor) else meta[0]).dtype
        return found

    def __getitem__(self, argument: str) -> Any:
        if argument not in self._arguments:  # dropout(input, ...), but dropout_(self, ...)
            argument = {"input": "self", "self": "input"}.get(argument, argument)
        given = self._arguments[argument]
        if self.name in ARITHMETIC and isinstance(given, int) and self.builder.batch.one(given) != given:
            return self.builder.counted(given, self.dtype, self.path)
        return self._resolved(given)

    def get(self, argument: str, default: Any = None) -> Any:
        return self[argument] if argument in self._arguments else default

    def _resolved(self, given: Any) -> Any:
        if isinstance(given, torch.fx.Node):
            return self._known[given]
        if isinstance(given, list | tuple):
            return [self._resolved(one) for one in given]
        return given

    def number(self, value: Any) -> float | None:
        if isinstance(value, bool | int | float):
            return value
        if isinstance(value, Known) and value.tensor.numel() == 1 and not any(n > 1 for n in value.sizes):
            return value.best.item()  # type: ignore[no-any-return]
        return None

    def is_computed(self, value: Any) -> bool:
        return isinstance(value, Value | Noise)

    def array(self, value: Any) -> Any:
        if not isinstance(value, Known) or isinstance(value, Counted) or not value.of_one:
            return None
        return value.tensor.detach().cpu().numpy()

    def is_each_image(self, value: Any) -> bool:
        return isinstance(value, Counted) and value.each

    def alike(self, value: Any) -> float | None:
        if isinstance(value, int | float):
            return float(value)
        if not isinstance(value, Known) or not value.tensor.numel():
            return None
        first = value.best.flatten()[0]
        return float(first) if bool((value.best == first).all()) else None

    # draws

    @property
    def random(self) -> bool:
        """Whether torch may draw for it."""
        return torch.Tag.nondeterministic_seeded in self.node.target.tags  # type: ignore[union-attr]

    @property
    def key(self) -> Key:
        """Which draw of the live module it is."""
        keys = self.builder.keys
        return keys[self.node] if self.node in keys else keys.setdefault(self.node, self.builder.draw(self.path))

    def drawn(self, kind: str, rate: float = 0.0, like: Any = None, shared: tuple[int, ...] = ()) -> Value:
        own = self.get("self")
        if like is None and isinstance(own, Value) and own.sizes == self.sizes:
            like = own
        if like is None:
            like = self.builder.like(self.sizes, self.dtype, self.path)
            pairs = zip(self.sizes, like.sizes, like.order, strict=True)
            shared = tuple(sorted(axis for size, of, axis in pairs if size == 1 != of))
        sizes = tuple(1 if axis in shared else size for size, axis in zip(like.sizes, like.order, strict=True))
        attributes = {"kind": kind, "rate": rate, "shared": shared}
        found: Value = self.emit("draw", attributes, like, noise=Noise(sizes, self.dtype, key=self.key))
        return found

    def filled(self, given: Any) -> Any:
        number = self.number(given)
        return given if number is None else Known(torch.tensor(number, dtype=self.floating), ())

    @property
    def floating(self) -> torch.dtype:
        """The result's precision; the default one where it isn't a floating-point number."""
        return self.dtype if self.dtype.is_floating_point else torch.get_default_dtype()

    def chosen(self, condition: Any, x: Any, y: Any) -> Any:
        above = None
        if isinstance(condition, Condition):
            x, y = (y, x) if condition.opposite else (x, y)
            condition, above = condition.value, condition.above
        values = self.aligned(condition, x, y)
        order = max(values, key=lambda value: value.rank).order
        return self.emit("where", {"above": above}, *values, order=order)

    def known(self, array: Any) -> Known:
        return Known(torch.from_numpy(array), tuple(array.shape))

    def value(self, value: Any) -> Value:
        if isinstance(value, Noise):
            raise Unexplained(value.key)
        if isinstance(value, Condition):
            value = self.chosen(value, self.filled(1.0), self.filled(0.0))
        if not isinstance(value, Tensorial):
            raise self.refuse(f"a value of the type {type(value).__name__}")
        return self.builder.value(value, self.path)

    def arranged(self, value: Any, order: tuple[int, ...] | None = None) -> Value:
        found = self.value(value)
        return self.builder.arranged(found, order or plain(found.rank), self.path)

    def moved(self, value: Any, axes: tuple[int, ...]) -> Value:
        """torch's permute: no node."""
        x = self.value(value)
        return Value(x.ref, tuple(x.sizes[axis] for axis in axes), tuple(x.order[axis] for axis in axes), x.dtype)

    def taken(self, value: Any, axis: int, table: Any) -> Value:
        x, more = self.value(value), table.ndim - 1
        place = x.order[axis]
        shifted = [old + more if old > place else old for old in x.order]
        order = (*shifted[:axis], *range(place, place + table.ndim), *shifted[axis + 1 :])
        slots = {"indices": self.stored("indices", table.astype("int64"))}
        found: Value = self.emit("take", {"axis": place, "size": table.shape}, x, parameters=slots, order=order)
        return found

    def reshaped(self, value: Any, sizes: tuple[int, ...]) -> Value:
        """torch's view."""
        return self.builder.reshaped(self.value(value), tuple(sizes), self.path)

    def expanded(self, value: Any, sizes: tuple[int, ...]) -> Value:
        return self.builder.expanded(self.value(value), tuple(sizes), self.path)

    def aligned(self, *values: Any) -> list[Value]:
        for value in values:
            if isinstance(value, Noise):
                raise Unexplained(value.key)
        bare = [v for v in values if isinstance(v, Value)] or [self.value(max(values, key=lambda v: len(v.sizes)))]
        leader = max(bare, key=lambda v: (v.rank, sum(size != 1 for size in v.sizes)))
        rank = max(len(value.sizes) for value in values)
        if leader.rank < rank:
            leader = self.reshaped(leader, (1,) * (rank - leader.rank) + leader.sizes)
        return [self._framed(value, leader) for value in values]

    def _framed(self, value: Any, leader: Value) -> Value:
        """A value in the leader's canonical frame; leading axes of size 1 may be missing."""
        lead = leader.rank - len(value.sizes)
        tail = tuple(place - lead for place in leader.order[lead:])
        fits = sorted(tail) == list(plain(len(tail)))
        lifted = (1,) * lead + tuple(value.sizes)
        canonical = tuple(lifted[axis] for axis in inverse(leader.order))
        if isinstance(value, Known) and value.of_one:
            rows = (1,) * lead + tuple(value.tensor.shape)
            array = value.best.reshape(rows).permute(inverse(leader.order)).numpy()
            while array.ndim > 1 and array.shape[0] == 1:
                array = array[0]
            return self.builder.constant(array, self._place("constant"))
        if isinstance(value, Weight) and value.path not in self.builder.layouts:
            while len(canonical) > 1 and canonical[0] == 1:
                canonical = canonical[1:]
            ranks = sorted(leader.order[lead:])
            order = tuple(ranks.index(place) for place in leader.order[lead:])
            native = tuple(value.sizes[axis] for axis in inverse(order))
            shape = None if canonical == native else canonical
            hint = self.builder.hints.get(value.path)
            if hint is None or (hint.order, hint.shape) == (order, shape):
                return self.builder.bare(value, order, shape)
        found = self.value(value)
        if lead and fits:
            return self.builder.arranged(found, tail, self.path)
        return self.builder.arranged(self.reshaped(found, lifted), leader.order, self.path)

    def last(self, value: Any, axes: tuple[int, ...]) -> Value:
        found = self.value(value)
        axes = tuple(axis % found.rank for axis in axes)
        canonical = inverse(found.order)
        rest = [axis for axis in canonical if axis not in axes]
        wanted = inverse((*rest, *axes))
        return self.builder.arranged(found, wanted, self.path)

    def channels_last(self, value: Any) -> Value:
        found = self.value(value)
        return self.arranged(found, (0, found.rank - 1, *range(1, found.rank - 1)))

    def parameter(self, argument: str, order: tuple[int, ...] | None = None) -> str | Ref:
        return self.slot(self[argument], argument, order)

    def slot(self, given: Any, name: str, order: tuple[int, ...] | None = None) -> str | Ref:
        """A tensor for a slot, as `parameter` has it."""
        if isinstance(given, Noise):
            raise Unexplained(given.key)
        if given is None:
            raise self.refuse(f"no usable {name}")
        order = order or plain(len(given.sizes))
        if isinstance(given, Known) and not given.path:
            array = given.best.permute(inverse(order)).numpy()
            return self.builder.stored(array, self._place(name))
        if isinstance(given, Known):
            given = Weight(given.path, given.sizes, given.dtype)
        if isinstance(given, Weight):
            path = self.builder.weight(given.path, order)
            if path is not None:
                return path
        return self.arranged(given, order).ref

    def stored(self, slot: str, array: Any) -> str:
        return self.builder.stored(array, self._place(slot))

    def emit(
        self,
        op: str,
        attributes: Any,
        *inputs: Any,
        parameters: dict[str, Any] | None = None,
        order: tuple[int, ...] | None = None,
        noise: Noise | None = None,
    ) -> Any:
        slots = {slot: source for slot, source in (parameters or {}).items() if source is not None}
        if op not in ops.names():
            raise self.refuse(f"the operator {op} has no page yet")
        path = self._named(op, slots)
        values = tuple(self.value(value) for value in inputs)
        try:
            found = self.builder.emit(op, attributes, values, slots, order, self.dtype, path)
        except UnsupportedError as error:
            raise self.refuse(str(error)) from None
        if isinstance(found, Value) and self.builder.nodes[found.ref.node].draws:
            axes = plain(values[0].rank) if op == "attention" else values[0].order
            self.builder.placed(found.ref.node, axes, noise, self.path)
        return found

    def _named(self, op: str, slots: dict[str, Any]) -> str:
        """That of the module that holds the weights, or that does this one thing, or a new one."""
        held = [source for source in slots.values() if isinstance(source, str) and source in self.builder.layouts]
        return self._owner(held[0], op) if held else self.builder.beside(self.path, op)

    def _owner(self, weight: str, op: str) -> str:
        """The module of a weight; a weight beside other modules (in_proj_weight) gets a name of its own."""
        module, _, name = weight.rpartition(".")
        if module and module not in self.builder.containers and name in ("weight", "bias", "running_mean"):
            return module
        own = next((name.removesuffix(end) for end in ("_weight", "_bias") if name.endswith(end)), op)
        own = name.removeprefix("weight_ih_") if name.startswith("weight_ih_") else own  # a layer and way of nn.LSTM
        return ".".join(part for part in (module, own) if part)

    def _place(self, name: str) -> str:
        return self.builder.beside(self.path, name, leaf=False)

    def refuse(self, why: str) -> UnsupportedError:
        where = self.path or "the model itself"
        return UnsupportedError(f"{self.name} in {where}: {why}{_line(self.node)}")


def _bound(node: torch.fx.Node, schema: Any) -> dict[str, Any]:
    """The arguments by the names of the schema, defaults included."""
    found = {}
    for index, argument in enumerate(schema.arguments):
        default = argument.default_value if argument.has_default_value() else None
        given = node.args[index] if index < len(node.args) else node.kwargs.get(argument.name, default)
        found[argument.name] = given
    return found


def _line(node: torch.fx.Node) -> str:
    """Where in the source the call stands: the innermost line that is not torch's own."""
    lines = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines() if line.strip()]
    frames = [index for index, line in enumerate(lines) if line.startswith("File ")]
    if not frames:
        return ""
    own = [index for index in frames if "/torch/nn/" not in lines[index]] or frames
    at = own[-1]
    code = lines[at + 1] if at + 1 < len(lines) else ""
    return f"\n  {lines[at].split(', in ')[0]}: {code}"

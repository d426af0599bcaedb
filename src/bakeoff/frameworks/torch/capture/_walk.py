"""From the exported program to nodes: call by call, constants folded, in-place twins made plain."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import nn

from bakeoff import ops, registry
from bakeoff.errors import UnsupportedError
from bakeoff.frameworks.torch.capture import patterns
from bakeoff.frameworks.torch.capture._aliases import Aliases
from bakeoff.frameworks.torch.capture._builder import Builder
from bakeoff.frameworks.torch.capture._call import Call
from bakeoff.frameworks.torch.capture._compose import COMPOSED
from bakeoff.frameworks.torch.capture._inline import inline
from bakeoff.frameworks.torch.capture._structure import FACTORIES, NOTHING, STRUCTURE
from bakeoff.frameworks.torch.capture._values import (
    NOT_MINE,
    Counted,
    Known,
    Noise,
    Unexplained,
    Value,
    Weight,
    close,
    sizes_of,
)
from bakeoff.frameworks.torch.capture._views import write_back

Importer = Callable[[Call], Any]


@cache
def importers() -> Mapping[str, Importer]:
    """Every operator of the pages, and those that are only axes and blocks."""
    found: dict[str, Importer] = {}
    for op in ops.names():
        found |= getattr(ops.page(op), "FROM_TORCH", {})
    return {**STRUCTURE, **COMPOSED, **found}


@cache
def spellings() -> tuple[Mapping[str, Importer], ...]:
    """The patterns, in order of their files."""
    return tuple(registry.load(patterns.__name__, name).CALLS for name in registry.names(patterns.__name__))


CASTS = ("aten.to", "aten._to_copy", "aten.type_as")


class Walk:
    """One pass over a program.

    Args:
        program: what torch.export gave.
        model: the live module, which knows what the program has lost.
        builder: takes the nodes.
    """

    def __init__(self, program: torch.export.ExportedProgram, model: nn.Module, builder: Builder) -> None:
        self.program, self.model, self.builder = program, model, builder
        self.known: dict[torch.fx.Node, Any] = {}
        self.canonical_name = _first_names(builder.tensors)
        inline(program.graph_module)
        program.graph_module.graph.eliminate_dead_code()
        self._aliases = Aliases(program.graph)
        self._copies: dict[str, torch.Tensor] = {}

    def run(self) -> list[Any]:
        """Walk; the user's outputs."""
        signature = self.program.graph_signature
        inputs = {spec.arg.name: (spec.kind.name, spec.target) for spec in signature.input_specs}
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                self.known[node] = self._placeholder(node, inputs)
            elif node.op == "get_attr":
                self.known[node] = _attribute(self.program.graph_module, node.target)
            elif node.op == "output":
                pairs = zip(node.args[0], signature.output_specs, strict=True)
                wanted = [given for given, spec in pairs if spec.kind.name == "USER_OUTPUT"]
                return [self._value(given) for given in wanted if isinstance(given, torch.fx.Node)]
            else:
                self.known[node] = self._call(node)
        raise AssertionError("a program without an output")

    def _value(self, node: torch.fx.Node) -> Value:
        given = self.known[node]
        if isinstance(given, Noise):
            raise Unexplained(given.key)
        if isinstance(given, Counted):
            raise UnsupportedError("the model gives numbers that count the images of a batch")
        return self.builder.value(given, "")

    def _placeholder(self, node: torch.fx.Node, signature: Mapping[str, tuple[str, Any]]) -> Any:
        meta = node.meta["val"]
        kind, target = signature[node.name]
        if kind == "PARAMETER":
            return Weight(self.canonical_name[target], sizes_of(meta), meta.dtype)
        if kind == "BUFFER":
            return Known(self.builder.tensors[target], sizes_of(meta), self.canonical_name[target])
        if kind == "CONSTANT_TENSOR":
            tensor = self.program.constants[target]
            return Known(tensor, sizes_of(tensor))
        if self.builder.image is not None:
            raise UnsupportedError("the model takes several inputs; a classifier takes one image")
        return self.builder.input(sizes_of(meta), meta.dtype)

    # one call

    def _call(self, node: torch.fx.Node) -> Any:
        if node.target is operator.getitem:
            return self.known[node.args[0]][node.args[1]]  # type: ignore[index]
        if not isinstance(node.target, torch._ops.OpOverload):
            if "val" not in node.meta:
                return None
            raise UnsupportedError(f"{node.target}: no operator of torch's own")
        call = self._described(node)
        if call.name.startswith(("aten._assert", "aten.sym_constrain", "aten._check")):
            return None
        if call.in_place and self._is_counter(node, call):
            return self.known[node.args[0]]  # type: ignore[index]
        result = self._raised(call)
        if call.in_place:
            self._mutate(node, call, result)
        return result

    def _described(self, node: torch.fx.Node) -> Call:
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        return Call(node, self.known, self.builder, _module_path(stack[-1][0]) if stack else "")

    def _is_counter(self, node: torch.fx.Node, call: Call) -> bool:
        """num_batches_tracked.add_(1), and other counters among the buffers: the graph has no use for them."""
        target = self.known.get(node.args[0])  # type: ignore[arg-type]
        if not isinstance(target, Known) or not target.path or target.dtype.is_floating_point:
            return False
        order, group = self._aliases.order, [*self._aliases.before(node), node]
        users = {user for one in group for user in one.users if order[user] > order[node] and user.op != "output"}
        if any(not (_in_place(user) and user.args[0] in group) for user in users):
            raise call.refuse(f"{target.path} counts, and what follows depends on the count")
        if not target.path.endswith("num_batches_tracked"):
            self.builder.moving.append(target.path)
        return True

    def _raised(self, call: Call) -> Any:
        self._forked(call)
        reads = [self.known[one] for one in call.node.all_input_nodes]
        counted = [one for one in reads if isinstance(one, Counted)]
        picks = call.name == "aten.index" and all(one.each for one in counted)  # x[arange(batch), 0]
        if counted and not picks and not all(isinstance(one, Known) for one in reads):
            raise call.refuse("it counts the images of a batch")
        for handlers in spellings():
            if call.name in handlers:
                result = handlers[call.name](call)
                if result is not NOT_MINE:
                    return result
        folded = self._folded(call)
        if folded is not NOT_MINE:
            return folded
        if call.name in NOTHING:
            return call[NOTHING[call.name]]
        importer = importers().get(call.name)
        if importer is None:
            kinds = "; of random numbers bernoulli, uniform and normal have one" if call.random else ""
            raise call.refuse(f"no operator page knows it{kinds}")
        result = importer(call)
        return self._fitted(call, result)

    def _forked(self, call: Call) -> None:
        """A mask that more than one call reads is a value: dropout would draw one for each."""
        for one in call.node.all_input_nodes:
            given = self.known.get(one)
            overwritten = call.in_place and one is call.node.args[0]
            if isinstance(given, Noise) and not overwritten and self._aliases.read_after(one, call.node):
                raise Unexplained(given.key)

    def _fitted(self, call: Call, result: Any) -> Any:
        """What an importer gave, with the sizes that the program has; a difference is an error of ours."""
        if isinstance(result, tuple):
            return tuple(self._sized(call, one, sizes) for one, sizes in zip(result, call.shapes, strict=False))
        return self._sized(call, result, call.sizes)

    def _sized(self, call: Call, result: Any, sizes: tuple[int, ...]) -> Any:
        if not isinstance(result, Value) or result.sizes == sizes:
            return result
        if len(sizes) >= result.rank and all(
            n in (1, wanted) for n, wanted in zip(reversed(result.sizes), reversed(sizes), strict=False)
        ):
            return self.builder.expanded(result, sizes, call.path)
        raise call.refuse(f"its importer gave {result.sizes}, the program says {sizes}")

    # constants

    def _folded(self, call: Call) -> Any:
        """The call's result where all that it reads is known."""
        node = call.node
        reads = [self.known[one] for one in node.all_input_nodes]
        if call.random or call.name == "aten.batch_norm":
            return NOT_MINE
        known = all(isinstance(one, Known) for one in reads)
        if call.name in FACTORIES and not (call.in_place and known):
            return self._made(call)
        if not known:
            return NOT_MINE
        fine = self._finely(call, reads)
        of_two = any(one.two is not None for one in reads) or self._counts(node)
        two = self._run(node, lambda known: self._of_two(known, call), images=2) if of_two else None
        found = self._run(node, self._private)
        if isinstance(found, list | tuple):
            rest = [each if isinstance(each, list | tuple) else [None] * len(found) for each in (fine, two)]
            parts = zip(found, call.shapes, *rest, strict=True)
            return tuple(self._constant(one, sizes, part, of_two) for one, sizes, part, of_two in parts)
        return self._constant(found, call.sizes, fine, two)

    def _counts(self, node: torch.fx.Node) -> bool:
        """Whether a call is told how many images there are."""
        given = [*node.args, *node.kwargs.values()]
        numbers = [one for each in given for one in (each if isinstance(each, list | tuple) else [each])]
        return any(isinstance(one, int) and self.builder.batch.one(one) != one for one in numbers)

    def _of_two(self, known: Known, call: Call) -> torch.Tensor:
        if known.two is not None:
            return known.two
        return self._private(known).clone() if call.in_place else self._private(known)

    def _tiled(self, tensor: torch.Tensor, sizes: tuple[int, ...]) -> torch.Tensor:
        """The rows of one image for two of them, a copy."""
        return tensor.detach().repeat([1 + (self.builder.batch.one(size) != size) for size in sizes])

    def _constant(self, found: torch.Tensor, sizes: tuple[int, ...], fine: Any, two: Any) -> Known:
        """A constant of which every image has the same; else one that counts them."""
        alike = two is None or close(two, self._tiled(found, sizes))
        return (Known if alike else Counted)(found, sizes, fine=_doubled(fine), two=two)

    def _finely(self, call: Call, reads: list[Any]) -> Any:
        """The same in float64; None where that is no use, or doesn't work."""
        single = any(one.dtype in (torch.float32, torch.float16, torch.bfloat16) for one in reads)
        if not single or call.dtype != torch.float32 or call.in_place:
            return None
        if call.name in CASTS:  # x.float(), where x is float32
            return reads[0].doubled if reads[0].dtype == torch.float32 and len(reads) == 1 else None
        try:
            return self._run(call.node, lambda known: known.doubled)
        except RuntimeError:  # an argument that says float32, beside those that are float64 here
            return None

    def _run(self, node: torch.fx.Node, tensor_of: Callable[[Known], torch.Tensor], images: int = 1) -> Any:
        """The call on constants, which keep one row for the batch."""

        def given(value: Any) -> Any:
            if isinstance(value, torch.fx.Node):
                return tensor_of(self.known[value])
            if isinstance(value, list | tuple):
                return [given(item) for item in value]
            plain = not isinstance(value, int) or isinstance(value, bool)
            return value if plain else self.builder.batch.one(value, images)

        with torch.no_grad():
            return node.target(*map(given, node.args), **{key: given(v) for key, v in node.kwargs.items()})  # type: ignore[operator]

    def _private(self, known: Known) -> torch.Tensor:
        """A buffer's copy, so that what is folded in place never touches the model."""
        if not known.path:
            return known.tensor
        return self._copies.setdefault(known.path, known.tensor.detach().clone())

    def _made(self, call: Call) -> Known:
        """new_zeros, ones_like and so on: only their sizes matter."""
        fill = FACTORIES[call.name]
        if fill is None:
            fill = call.number(call.get("fill_value", call.get("value")))
        if fill is None:
            raise call.refuse("a fill that is computed")
        rows, two = ([self.builder.batch.one(size, images) for size in call.sizes] for images in (1, 2))
        of_two = torch.full(two, fill, dtype=call.dtype) if two != rows else None
        fine = torch.full(rows, fill, dtype=torch.float64) if call.dtype == torch.float32 else None
        return Known(torch.full(rows, fill, dtype=call.dtype), call.sizes, fine=fine, two=of_two)

    # in place

    def _mutate(self, node: torch.fx.Node, call: Call, result: Any) -> None:
        """What was changed in place is the result from now on, and so is whatever shares its memory."""
        target = node.args[0]
        assert isinstance(target, torch.fx.Node)
        others = [one for one in self._aliases.before(node) if one is not target and one in self.known]
        if any(one.op == "placeholder" and isinstance(self.known[one], Weight) for one in (target, *others)):
            raise call.refuse("it changes a weight while the model runs")
        for one in (target, *others):
            if one.op == "placeholder" and isinstance(known := self.known[one], Known) and known.path:
                self.builder.moving.append(known.path)
        shared = isinstance(self.known[target], Known) and isinstance(result, Known)
        self.known[target] = result
        if shared:  # torch has changed the memory; what was worked out in float64 beside it is no longer true
            for one in others:
                if isinstance(known := self.known[one], Known):
                    self.known[one] = replace(known, fine=None)
        elif any(self._aliases.read_after(one, node) for one in others):
            self._spread(node, target)

    def _spread(self, node: torch.fx.Node, target: torch.fx.Node) -> None:
        """From a changed view up to what owns the memory, and down again to the other views."""
        fresh = {target}
        for view, base in self._aliases.way_up(target):
            self.known[base] = self._written(view, self.known[base], self.known[view])
            fresh.add(base)
        for one in self._aliases.before(node):
            if one in self.known and self._aliases.read_after(one, node):
                self._renew(one, fresh)

    def _renew(self, view: torch.fx.Node, fresh: set[torch.fx.Node]) -> None:
        base = self._aliases.source(view)
        if view in fresh or base is None:
            return
        self._renew(base, fresh)
        fresh.add(view)
        if view.target is operator.getitem:
            many = view.args[0]
            assert isinstance(many, torch.fx.Node)
            self.known[many] = self._raised(self._described(many))
            self.known[view] = self.known[many][view.args[1]]
        else:
            call = self._described(view)
            self.known[view] = self.known[base] if call.in_place else self._raised(call)

    def _written(self, view: torch.fx.Node, base: Any, changed: Any) -> Any:
        if view.target is operator.getitem:
            raise self._described(view.args[0]).refuse("one of its parts is changed in place")  # type: ignore[arg-type]
        call = self._described(view)
        return changed if call.in_place else write_back(call, base, changed)


def _doubled(found: Any) -> torch.Tensor | None:
    return found if isinstance(found, torch.Tensor) and found.dtype == torch.float64 else None


def _in_place(node: torch.fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.name.endswith("_")


def _module_path(raw: str) -> str:
    """torch.export marks a module's second call as path@1."""
    return raw.split("@")[0]


def _attribute(root: Any, path: str) -> Any:
    for part in path.split("."):
        root = getattr(root, part)
    return root


def _first_names(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Every name of a tensor -> the first of its names."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in tensors.items()}

"""A graph as a record of torch calls: modules as the expressions that construct them."""

from __future__ import annotations

import inspect
import operator
import re
from dataclasses import replace
from types import ModuleType
from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.exports.source._literals import exact, plain
from bakeoff.exports.source._tree import REQUIRED, Expression, Leaves, Op, Value, compressed, values
from bakeoff.frameworks.torch.build import Built, TorchLowering
from bakeoff.frameworks.torch.penalties import on_weights
from bakeoff.graph.graph import Graph, Node
from bakeoff.graph.names import torch_path

SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "pow": "**", "matmul": "@", "mod": "%",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "and_": "&", "or_": "|",
}  # fmt: skip
RENAMED = {"channels": "num_features", "epsilon": "eps"}  # own BatchNorm's arguments, as attributes of nn.BatchNorm2d
SMALL = 16  # numbers of a constant that a page may list


class TapeLowering(TorchLowering):
    """Knows for each recorded call in which module of the source it happens."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.scopes: dict[str, tuple[str, ...]] = {}

    def _lower(self, node: Node) -> None:
        before = {one.name for one in self.tape.nodes}
        super()._lower(node)
        path = torch_path(node.name)
        new = [one for one in self.tape.nodes if one.name not in before]
        holds = any(torch_path(held).startswith(f"{path}.") for held in self._held)
        scope = tuple(path.split("."))[: None if holds else -1]  # a module that holds its parameter acts in itself
        self.scopes.update({one.name: scope for one in new})


class TorchTape:
    """The calls of a graph's torch form.

    Attributes:
        ops: in the order of computation.
        leaves: modules, parameters and constants.
        own: classes of Bakeoff's own that it uses.
        state: {path: tensor} of all parameters and buffers.
    """

    def __init__(self, graph: Graph) -> None:
        lowering = TapeLowering(graph)
        lowering.tape.output(lowering.walk().native.node)
        self.torch, self.layers, self.root = lowering.lib, lowering.own, lowering.root
        self.root.to(getattr(self.torch, graph.dtype))
        Built(self.root, lowering.bindings, {}).load(graph.arrays())  # type: ignore[arg-type]
        self.ops: list[Op] = []
        self.leaves: Leaves = {}
        self.own: dict[str, type] = {}
        self._ids: dict[str, Value] = {}
        self._dotted = any("." in node.name for node in graph.nodes)
        self._scope_of: dict[Value, tuple[str, ...]] = {}
        inputs = []
        for node in lowering.tape.nodes:
            value = self._ids.setdefault(node.name, Value(len(self._ids)))
            if node.op == "placeholder":
                inputs.append(value)
            elif node.op == "output":
                self.outputs = (self._ids[node.args[0].name],)
            else:
                self._record(node, value, lowering.scopes.get(node.name, ()))
        self.inputs = tuple(inputs)
        self._frozen = [
            f"{binding.owner}.{binding.attribute}".lstrip(".")
            for path, binding in lowering.bindings.items()
            if graph.parameters[path].role == "weight" and not graph.parameters[path].trainable
        ]
        self.penalties = on_weights(graph, lowering.bindings)
        self.ops = _unpacked(self.ops, self.outputs)
        if not self._dotted:
            self.ops = compressed(self.ops, self.leaves)

    def _record(self, node: Any, value: Value, scope: tuple[str, ...]) -> None:
        if node.op in ("call_module", "get_attr"):
            *parents, name = node.target.split(".")
            scope = tuple(parents)
            if not self._dotted:
                scope, name = self._parted(node.target)
            if (scope, name) not in self.leaves:
                made = self._module(node.target) if node.op == "call_module" else self._held(node.target)
                self.leaves[scope, name] = made, node.target
            kind = "use" if node.op == "call_module" else "own"
            expression = Expression(kind, name, tuple(self._argument(arg) for arg in node.args))
        else:
            expression = self._called(node)
            if not self._dotted:
                read = [one for one in values(expression) if one in self._scope_of]
                scope = self._scope_of[max(read, key=lambda one: one.id)] if read else ()
        self._scope_of[value] = scope
        self.ops.append(Op((value,), expression, scope))

    def _parted(self, target: str) -> tuple[tuple[str, ...], str]:
        """Names without dots tell their modules by underscores: Keras's habit."""
        parts = [part for part in target.split("_") if part] or [target]
        found = tuple(parts[:-1]), parts[-1]
        known = self.leaves.get(found)
        return found if known is None or known[1] == target else ((), target)

    def _argument(self, given: Any) -> Any:
        if hasattr(given, "op") and hasattr(given, "name"):
            return self._ids[given.name]
        if isinstance(given, list | tuple):
            kind = "list" if isinstance(given, list) else "tuple"
            return Expression(kind, "", tuple(self._argument(one) for one in given))
        if isinstance(given, slice):
            return Expression("slice", "", tuple(self._argument(x) for x in (given.start, given.stop, given.step)))
        return given

    def _called(self, node: Any) -> Expression:
        named = {key: arg for key, arg in node.kwargs.items() if arg is not None and (key, arg) != ("mode", "constant")}
        args = tuple(self._argument(arg) for arg in (*node.args, *named.values()))
        names = ("",) * len(node.args) + tuple(named)
        if node.op == "call_method":
            return Expression("method", node.target, args, names)
        function = node.target
        name = function.__name__
        if function is getattr:
            return Expression("attribute", args[1], args[:1])
        if function is operator.getitem:
            return Expression("item", "", args)
        if function is operator.neg:
            return Expression("call", "torch.neg", args, names)
        if getattr(operator, name, None) is function:
            return Expression("binary", SYMBOLS[name], args)
        for head, library in (("F", self.torch.nn.functional), ("torch", self.torch)):
            if _same(getattr(library, name, None), function):
                return Expression("call", f"{head}.{name}", args, names)
        for head in ("linalg", "special", "fft"):
            if _same(getattr(getattr(self.torch, head), name, None), function):
                return Expression("call", f"torch.{head}.{name}", args, names)
        raise UnsupportedError(f"--source: no plain name for the function {function!r}. Convert without --source.")

    def _module(self, path: str) -> Expression:
        module = self.root.get_submodule(path)
        kind = type(module)
        if kind.__module__.startswith("torch."):
            head = f"nn.{kind.__name__}"
        else:
            head = kind.__name__
            self.own[head] = kind
        args, names, defaults = [], [], []
        for name, parameter in inspect.signature(kind).parameters.items():
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or name in (
                "device",
                "dtype",
                "inplace",
            ):
                continue
            default = REQUIRED if parameter.default is parameter.empty else parameter.default
            tidy = plain if head.startswith("nn.") else exact
            args.append(tidy(_setting(module, name, head)))
            names.append(name)
            defaults.append(tidy(default))
        made = Expression("make", head, tuple(args), tuple(names), tuple(defaults))
        self._check(path, module, made)
        return made

    def _check(self, path: str, module: Any, made: Expression) -> None:
        """The expression gives the module again."""
        from bakeoff.exports.source._text import flat

        scope = {"torch": self.torch, "nn": self.torch.nn, **vars(self.layers)}
        again = eval(flat(made), scope)  # of our own making: class names and literals
        shapes = [{n: tuple(t.shape) for n, t in one.state_dict().items()} for one in (module, again)]
        if _constructed(again) != _constructed(module) or shapes[0] != shapes[1]:
            raise UnsupportedError(f"--source: {path}: {module!r} can't be written as a line of code.")

    def _held(self, path: str) -> Expression:
        parent, _, name = path.rpartition(".")
        tensor = getattr(self.root.get_submodule(parent), name)
        sizes = tuple(tensor.shape)
        if isinstance(tensor, self.torch.nn.Parameter):
            return Expression("make", "nn.Parameter", (Expression("call", "torch.empty", sizes),), ("",), (REQUIRED,))
        kind = () if str(tensor.dtype) == "torch.float32" else (tensor.dtype,)
        empty = Expression("call", "torch.empty", (_sizes(sizes), *kind), ("", *("dtype" for _ in kind)))
        return Expression("buffer", "", (empty,), ("",), (REQUIRED,))

    def frozen(self) -> list[str]:
        """Paths of weights that aren't trained."""
        return self._frozen

    def state(self) -> dict[str, Any]:
        """{path: tensor}: parameters and buffers, constants too."""
        found = dict(self.root.state_dict())
        return found | {path: tensor for path, tensor in self.root.named_buffers() if path not in found}


def _sizes(sizes: tuple[int, ...]) -> Expression:
    return Expression("tuple", "", sizes)


def _same(found: Any, function: Any) -> bool:
    return found is function or (found is not None and not isinstance(found, ModuleType) and found == function)


def _constructed(module: Any) -> str:
    text = re.sub(r"\((\d+), \1\)", r"\1", repr(module))
    return re.sub(r"\d+\.\d+(e-?\d+)?", lambda found: f"{float(found[0]):.10g}", text)


def _setting(module: Any, name: str, head: str) -> Any:
    if name == "affine" and not head.startswith("nn."):
        weight, bias = module.weight is not None, module.bias is not None
        return "scale" if weight and not bias else "offset" if bias and not weight else weight
    if name == "channels" and hasattr(module, "mean"):
        return module.mean.numel() if module.mean.dim() else None
    if name == "bias" and not isinstance(getattr(module, "bias", None), bool):
        return module.bias is not None
    found = getattr(module, name, REQUIRED)
    return getattr(module, RENAMED.get(name, name)) if found is REQUIRED else found


def _unpacked(ops: list[Op], outputs: tuple[Value, ...]) -> list[Op]:
    """`a, b = x.split(...)` in place of items of one value."""
    readers: dict[Value, list[Op]] = {}
    for op in ops:
        for value in values(op.expression):
            readers.setdefault(value, []).append(op)
    many: dict[int, Op] = {}
    gone: set[int] = set()
    for op in ops:
        count = _count(op.expression)
        items = readers.get(op.outs[0], [])
        taken = {one.expression.args[1]: one for one in items if one.expression.kind == "item"}
        if count is None or op.outs[0] in outputs or len(taken) < len(items) or sorted(taken) != list(range(count)):
            continue
        many[id(op)] = replace(op, outs=tuple(taken[place].outs[0] for place in range(count)))
        gone |= {id(one) for one in items}
    return [many.get(id(op), op) for op in ops if id(op) not in gone]


def _count(expression: Expression) -> int | None:
    """How many parts a split gives."""
    if expression.head not in ("split", "torch.split") or len(expression.args) < 2:
        return None
    sizes = expression.args[1]
    return len(sizes.args) if isinstance(sizes, Expression) and sizes.kind in ("tuple", "list") else None

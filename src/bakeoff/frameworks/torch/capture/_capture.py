"""The steps of a capture: export, walk, check against the live module, unused parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from bakeoff.errors import BakeoffError, UnsupportedError, UsageError
from bakeoff.frameworks._surroundings import undisturbed
from bakeoff.frameworks.torch.capture import _frozen
from bakeoff.frameworks.torch.capture._builder import Builder
from bakeoff.frameworks.torch.capture._captured import Captured
from bakeoff.frameworks.torch.capture._copy import copied
from bakeoff.frameworks.torch.capture._deadline import deadline
from bakeoff.frameworks.torch.capture._export import WHOLE, Mode, batch_for, export, outputs_of, tensors
from bakeoff.frameworks.torch.capture._layout import Layout
from bakeoff.frameworks.torch.capture._losses import refuse_kept_losses, with_penalties
from bakeoff.frameworks.torch.capture._lost import lost, moved, predicting, reading
from bakeoff.frameworks.torch.capture._signature import said_by_config, signature_of
from bakeoff.frameworks.torch.capture._sizes import Shown, shown
from bakeoff.frameworks.torch.capture._values import Unexplained, plain
from bakeoff.frameworks.torch.capture._walk import Walk
from bakeoff.graph.agree import same_attributes, same_prediction, together
from bakeoff.graph.draws import UNREAD, Key
from bakeoff.graph.graph import Graph, Parameter
from bakeoff.graph.layout import said
from bakeoff.graph.passes import prune
from bakeoff.ops._dimension import Dim
from bakeoff.parity.lost import merged
from bakeoff.schemas import Declared

DEFAULT_SIZE = (224, 224)
STEPS = (37, 59)  # by which the second size differs from twice the first: pads that depend on halvings show


@undisturbed()
def captured(model: nn.Module, input_size: tuple[int, int] | None, channels: int, name: str) -> Captured:
    """See `bakeoff.frameworks.torch.capture.capture`."""
    _check(model, name)
    if any(tensor.is_inference() for tensor in tensors(model).values()):  # no gradient could be had
        model = copied(model)
    signature = signature_of(model, None if input_size is None else _size(input_size), channels)
    own, classes = said_by_config(model)
    size = signature.size if input_size is None and signature else _size(input_size or own)
    refuse_kept_losses(model, size, channels, name)
    changing = [] if _is_program(model) else _frozen.check(copied(model), size, channels, name)
    chosen, declared = _training(_prediction(model, size, channels, name), name)
    if changing is None:  # the whole of it can't train on such images
        changing = _frozen.check(copied(model), size, channels, name, chosen.mode) or []
    sized, found = _sized(chosen, name)
    graph, layouts, unused = with_unused(sized, chosen.builder, model)
    graph = with_penalties(graph, model, layouts)
    fixed_size = all(isinstance(side, int) for side in graph.input_shape[1:3])
    kept = {node.id for node in graph.nodes}
    draws = {k: p if p.node in kept else UNREAD for k, p in chosen.builder.draws.items()}
    assert chosen.mode != "eval"
    changed = [path for path in changing if path.rpartition(".")[0] not in chosen.mode]
    declared = merged((*declared, *map(moved, sorted({*chosen.builder.moving, *changed}))))
    return Captured(
        graph, layouts, size, fixed_size, unused, found.notes, signature, draws, declared, chosen.mode, classes,
        found.sizes, found.batches,
    )  # fmt: skip


class Pass:
    """One export of a model and one walk over it.

    Args:
        model: the live module.
        size: (height, width).
        channels: of the image.
        mode: "eval"; or the paths of the modules that predict while all others train.
        prediction: its graph is joined with that of a training pass that draws by hand.
        hints: how weights lie in the prediction.

    Raises:
        UnsupportedError: the model can't be traced, or an operator is unknown.
    """

    def __init__(
        self,
        model: nn.Module,
        size: tuple[int, int],
        channels: int,
        mode: Mode = WHOLE,
        prediction: Pass | None = None,
        hints: Mapping[str, Layout] | None = None,
    ) -> None:
        self.model, self.size, self.channels, self.mode, self.prediction = model, size, channels, mode, prediction
        batch = batch_for(model, size)
        with deadline(model, type(model).__name__):
            program = export(model, batch, size, channels, mode)
        learned = frozenset(key for key, p in model.named_parameters(remove_duplicate=False) if p.requires_grad)
        modules, values = dict(model.named_modules()), set[Key]()
        self.places = outputs_of(program)
        self.hints = prediction.builder.layouts if hints is None and prediction else hints
        self.builder: Builder
        while True:
            self.builder = Builder(batch, tensors(model), learned, modules, values, self.hints)
            try:
                self.outputs = Walk(program, model, self.builder).run()
                break
            except Unexplained as draw:
                values.add(draw.key)

    @cached_property
    def alone(self) -> Graph:
        """The graph of what the first output needs."""
        builder = self.builder
        logits = builder.arranged(self.outputs[0], plain(self.outputs[0].rank), "")
        graph = prune(Graph(builder.inputs, tuple(builder.nodes.values()), {"logits": logits.ref}, builder.parameters))
        used = {path for node in graph.nodes for path in node.parameters.values() if isinstance(path, str)}
        return replace(graph, parameters={path: p for path, p in graph.parameters.items() if path in used})

    @cached_property
    def graph(self) -> Graph:
        """The same; where it draws by hand, it predicts as the prediction does, if it can.

        What else training does is no noise: what moves by itself, or what asks whether it trains.
        """
        drawn = any(node.op == "draw" for node in self.alone.nodes) and not self.builder.moving
        if self.prediction is None or not drawn or same_prediction(self.alone, self.prediction.graph):
            return self.alone
        return together(self.alone, self.prediction.graph) or self.alone

    def again(self, size: tuple[int, int]) -> Pass:
        """The same with another size."""
        joined = self.prediction if self.graph is not self.alone else None
        return Pass(self.model, size, self.channels, self.mode, joined and joined.again(size), self.hints)


def _prediction(model: nn.Module, size: tuple[int, int], channels: int, name: str) -> Pass:
    """The pass that predicts, and draws nothing."""
    own = Pass(model, size, channels, "eval")
    if len(own.outputs) != 1 or not own.outputs[0].rank:
        raise UnsupportedError(_unclear(own, name))
    noisy = next((node for node in own.graph.nodes if node.draws), None)
    if noisy is not None:
        raise UnsupportedError(
            f"{name}: {noisy.path or noisy.op} draws noise in prediction, too.\n"
            "Say when it trains: F.dropout(x, p, self.training), or nn.Dropout(p)."
        )
    return own


def _training(own: Pass, name: str) -> tuple[Pass, tuple[Declared, ...]]:
    """The pass in which all trains that the graph can hold, and what is lost by the rest."""

    def tried(mode: Mode) -> tuple[Pass | None, str]:
        try:
            found = Pass(own.model, own.size, own.channels, mode, own)
        except UnsupportedError as error:
            return None, str(error)
        if len(found.outputs) != 1:
            return None, f"{len(found.outputs)} outputs in training"
        if not same_prediction(found.graph, own.graph):
            return None, "its training pass computes something else than its prediction"
        return found, ""

    chosen, reason = tried(WHOLE)
    if chosen is not None:
        return chosen, ()
    readers = reading(own.model, own.size, own.channels)
    for groups in ([group for group in readers if not group.stock], readers):
        chosen, reason = tried(predicting(groups))
        if chosen is None:
            continue
        for group in groups:  # as few as can be predict
            rest = [one for one in groups if one is not group]
            fewer, _ = tried(predicting(rest))
            if fewer is not None:
                chosen, groups = fewer, rest
        return chosen, lost(own.model, own.size, own.channels, groups)
    raise UnsupportedError(f"{name}: {reason}")


def _unclear(found: Pass, name: str) -> str:
    """Outputs that are no logits: what there are, and how to take one of them."""
    shapes = [("batch", *value.canonical[1:]) if value.rank else () for value in found.outputs]
    listed = [f"{place} {said(shape)}".strip() for place, shape in zip(found.places, shapes, strict=False)]
    logits = next((place for place, shape in zip(found.places, shapes, strict=False) if len(shape) == 2), None)
    remedy = f"net.forward = lambda x, give=net.forward: give(x){logits}" if logits else "Give the net with its head."
    return (
        f"{name} gives {'; '.join(listed)[:400] or 'nothing'}.\n"
        f"A classifier gives one output, logits (N, classes). {'Take them first: ' * bool(logits)}{remedy}"
    )


def _sized(chosen: Pass, name: str) -> tuple[Graph, Shown]:
    """The graph for images of any size, where nothing in it depends on the size; else as it is."""
    graph = chosen.graph
    batch, _, _, channels = graph.input_shape
    free = replace(graph, inputs={"input": (batch, Dim("height"), Dim("width"), channels)})

    def same(size: tuple[int, int]) -> bool:
        try:
            return same_attributes(graph, chosen.again(size).graph) and free.output_shape == graph.output_shape
        except BakeoffError:
            return False

    other = _another(chosen.size)
    sizes = chosen.size, other if same(other) else None
    found = shown(chosen.model, chosen.mode, chosen.channels, sizes, same, name)
    return free if found.sizes else graph, found


def _another(size: tuple[int, int]) -> tuple[int, int]:
    """More than twice as large, so that a loop that halves an image until it is small runs once more; odd for even."""
    height, width = (2 * side + step + side % 2 for side, step in zip(size, STEPS, strict=True))
    return height, width


def with_unused(graph: Graph, builder: Builder, model: nn.Module) -> tuple[Graph, dict[str, Layout], tuple[str, ...]]:
    """The graph with all other entries of the state dict along, and where each entry lies."""
    names: dict[int, str] = {}
    layouts: dict[str, Layout] = {}
    parameters = dict(graph.parameters)
    unused = []
    for key, tensor in model.state_dict(keep_vars=True).items():
        if not isinstance(tensor, torch.Tensor):
            continue
        first = names.setdefault(id(tensor), key)
        layout = builder.layouts.get(first)
        if first not in graph.parameters or layout is None:
            layout = Layout.as_is(first, tuple(tensor.shape))
            if first == key:
                unused.append(key)
                parameters[key] = _passenger(key, tensor)
        layouts[key] = layout
    return replace(graph, parameters=parameters), layouts, tuple(sorted(unused))


def _passenger(path: str, tensor: torch.Tensor) -> Parameter:
    learned = isinstance(tensor, nn.Parameter)
    array = np.array(tensor.detach().cpu().numpy())
    return Parameter(path, array, "weight" if learned else "state", learned and tensor.requires_grad)


def _size(given: Any) -> tuple[int, int]:
    pair = DEFAULT_SIZE if given is None else given
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
        raise UsageError(f"input_size is {given!r}; expected (height, width) in pixels.")
    return pair[0], pair[1]


def _is_program(model: nn.Module) -> bool:
    """Whether only operators run in it, as in an exported program: none that could keep, ask or branch."""
    if not isinstance(model, torch.fx.GraphModule):
        return False
    return all(node.op != "call_module" or node.target == "_guards_fn" for node in model.graph.nodes)


def _check(model: Any, name: str) -> None:
    if not isinstance(model, nn.Module):
        raise UsageError(f"{name} is a {type(model).__name__}; expected a torch.nn.Module.")
    if isinstance(model, torch.jit.ScriptModule):
        raise UnsupportedError(
            f"{name}: a TorchScript program, whose layers are gone. Give the module it was made from."
        )
    if "train" in vars(model):  # it refuses to train
        raise UnsupportedError(f"{name}: an exported program, whose layers are gone. Give the module it was made from.")
    lazy = [key for key, p in model.named_parameters() if isinstance(p, nn.parameter.UninitializedParameter)]
    if lazy:
        raise UsageError(f"{name}: {lazy[0]} has no shape yet. Run the model on an image once before it is captured.")
    hooked = [key for key, p in model.named_parameters() if p._backward_hooks or p._post_accumulate_grad_hooks]
    if hooked:  # a copy of the module, which is what is asked, would have lost it
        raise UnsupportedError(
            f"{name}: {hooked[0]} has a hook on its gradient, which no other framework keeps.\n"
            "Remove it first: what register_hook gave has a remove()."
        )
    brain = [key for key, tensor in tensors(model).items() if tensor.dtype == torch.bfloat16]
    if brain:
        raise UnsupportedError(f"{name}: {brain[0]} is bfloat16, which NumPy doesn't have. Widen it: model.float()")
    for path, module in model.named_modules():
        if (
            isinstance(module, nn.modules.batchnorm._BatchNorm)
            and module.track_running_stats
            and module.momentum is None
        ):
            raise UnsupportedError(
                f"{name}: {path} has momentum=None, a cumulative average that no other framework keeps.\n"
                "Give it a number first, as 0.1."
            )
    where = {tensor.device.type for tensor in tensors(model).values()} - {"cpu"}
    if where:
        raise BakeoffError(f"{name} lies on {', '.join(sorted(where))}. Move it first: model.cpu()")

"""A graph as a page of plain PyTorch, with its weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bakeoff.exports.source import _forward
from bakeoff.exports.source._copied import copied
from bakeoff.exports.source._fold import Template, fold
from bakeoff.exports.source._text import doc, flat, lines
from bakeoff.exports.source._torch_tape import TorchTape
from bakeoff.exports.source._tree import REQUIRED, Expression, assemble, places
from bakeoff.frameworks.torch.arrays import save
from bakeoff.frameworks.torch.penalties import penalty
from bakeoff.graph.graph import Graph

WEIGHTS = "weights.pt"
KINDS = {bool: "bool", int: "int", float: "float", str: "str"}


def source(graph: Graph, title: str) -> tuple[str, dict[str, Any]]:
    """The text of `model.py`, and the state dict that its net loads."""
    tape = TorchTape(graph)
    root = assemble(tape.ops, tape.leaves, tape.inputs, tape.outputs)
    templates = fold(root)
    moved = places(root)
    state = {_moved(path, moved): tensor.detach().clone() for path, tensor in tape.state().items()}
    frozen = sorted(_moved(path, moved) for path in tape.frozen())
    terms = [(_moved(path, moved), l1, l2) for path, l1, l2 in tape.penalties] if graph.penalties else None
    return _written(templates, tape, graph, title, frozen, terms), state


def _moved(path: str, moved: Any) -> str:
    """A parameter's path in the file: that of the longest part that has moved."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        head = ".".join(parts[:count])
        if head in moved:
            return ".".join((moved[head], *parts[count:]))
    return path


def _written(
    templates: list[Template],
    tape: TorchTape,
    graph: Graph,
    title: str,
    frozen: list[str],
    terms: list[tuple[str, float, float]] | None,
) -> str:
    classes = copied([*tape.own.values(), *([] if terms is None else [penalty])])
    classes += [_class(template) for template in templates]
    if terms is not None:
        rows = "".join(f'                ("{name}", {l1}, {l2}),\n' for name, l1, l2 in terms)
        classes[-1] += PENALTY.format(terms=rows)
    code = "\n\n\n".join(classes)
    size = ", ".join(str(s) if isinstance(s, int) else "224" for s in (graph.input_shape[3], *graph.input_shape[1:3]))
    tail = _load(frozen) + "\n\n\n" + MAIN.format(size=size)
    return f"{_head(code, title)}\n\n\n{code}\n\n\n{tail}"


def _head(code: str, title: str) -> str:
    imports = ["from pathlib import Path", *(["from typing import Literal"] if "Literal[" in code else [])]
    libraries = ["import torch", "from torch import nn"]
    imports += ["from collections.abc import Iterable"] if "Iterable[" in code else []
    if re.search(r"\bF\.", code):
        libraries.append("from torch.nn import functional as F")
    title = re.sub(r"[^\w./@+-]", "_", title)
    heading = f'"""{title}: plain PyTorch, with its weights in {WEIGHTS}.\n\nInput (N, C, H, W); gives logits.\n"""'
    return "\n".join((heading, "", "from __future__ import annotations", "", *imports, "", *libraries))


def _class(template: Template) -> str:
    scope, kept = _forward.stored(template.scope)
    found = [f"class {template.name}(nn.Module):"]
    arguments = ["self", *(_argument(parameter) for parameter in template.parameters)]
    found += _signature("def __init__", arguments, "None")
    found.append("        super().__init__()")
    found += [f"        self.{name} = {value}" for name, value in kept.items()]
    for name, child in scope.children.items():
        assert isinstance(child, Expression)
        if child.kind == "buffer":
            found += lines((f'self.register_buffer("{name}", ', *doc(child.args[0], {}), ")"), 8)
        else:
            found += lines((f"self.{name} = ", *doc(child, {})), 8)
    found.append("")
    gives = "torch.Tensor" if len(scope.outputs) == 1 else "tuple[torch.Tensor, ...]"
    given = ["self", *(f"{name}: torch.Tensor" for name in _forward.arguments(scope))]
    found += _signature("def forward", given, gives)
    return "\n".join([*found, *_forward.body(scope, 8)])


def _signature(head: str, arguments: list[str], gives: str) -> list[str]:
    whole = f"    {head}({', '.join(arguments)}) -> {gives}:"
    if len(whole) <= 88:
        return [whole]
    inner = f"        {', '.join(arguments)}"
    body = [inner] if len(inner) <= 88 else [f"        {argument}," for argument in arguments]
    return [f"    {head}(", *body, f"    ) -> {gives}:"]


def _argument(parameter: Any) -> str:
    kinds = {KINDS.get(type(value)) for value in parameter.vector}
    hint = f": {kinds.pop()}" if len(kinds) == 1 and None not in kinds else ""
    if parameter.default is REQUIRED:
        return f"{parameter.name}{hint}"
    equals = " = " if hint else "="
    return f"{parameter.name}{hint}{equals}{flat(parameter.default)}"


def _load(frozen: list[str]) -> str:
    listed = ""
    if frozen:
        names = "\n".join(f'    "{name}",' for name in frozen)
        listed = f"FROZEN = (\n{names}\n)\n\n\n"
    freeze = "    for name in FROZEN:\n        net.get_parameter(name).requires_grad_(False)\n" if frozen else ""
    return listed + LOAD.format(weights=WEIGHTS, freeze=freeze)


PENALTY = '''

    def penalty(self) -> torch.Tensor:
        """What its own loss adds: criterion(net(x), y) + net.penalty()."""
        return penalty(
            self,
            (
{terms}            ),
        )'''
LOAD = '''def load(weights: str | Path = Path(__file__).with_name("{weights}")) -> Net:
    """The net with its weights, ready to predict; `.train()` to go on training."""
    net = Net()
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
{freeze}    return net.eval()'''
MAIN = """if __name__ == "__main__":
    print(load()(torch.zeros(1, {size})).shape)
"""


def write(graph: Graph, folder: Path, title: str) -> None:
    """`model.py` and `weights.pt`."""
    text, state = source(graph, title)
    save(state, folder / WEIGHTS)
    (folder / "model.py").write_text(text, encoding="utf-8")


def write_state(graph: Graph, path: Path) -> None:
    """What `weights.pt` would hold."""
    save(source(graph, path.stem)[1], path)

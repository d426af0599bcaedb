"""A graph as a page of plain functional Keras, with its weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakeoff.exports.source._copied import copied
from bakeoff.exports.source._fold import Template, fold
from bakeoff.exports.source._forward import letter
from bakeoff.exports.source._keras_tape import UNNAMED, KerasTape
from bakeoff.exports.source._text import Doc, Group, Names, doc, flat, line, lines
from bakeoff.exports.source._tree import REQUIRED, Expression, Op, Value, assemble, places, values
from bakeoff.graph.graph import Graph

WEIGHTS = "model.weights.h5"


def write(graph: Graph, folder: Path, title: str) -> None:
    """`model.py` and its weights, which the page's own net saves."""
    tape = KerasTape(graph)
    root = assemble(tape.ops, tape.leaves, tape.inputs, tape.outputs)
    templates = fold(root, functional=True)
    names = {old: new.replace(".", tape.separator) for old, new in places(root).items()}
    frozen = sorted((names[owner], attribute) for owner, attribute in tape.frozen)
    text = _written(templates, tape, graph, title, frozen)
    (folder / "model.py").write_text(text, encoding="utf-8")
    source: dict[str, Any] = {"__name__": "model", "__file__": str(folder / "model.py")}
    exec(compile(text, "model.py", "exec"), source)  # the text was just made here, of layers and numbers
    net = source["build"]()
    for layer in tape.model.layers:
        if layer.weights:
            net.get_layer(names[layer.name]).set_weights(layer.get_weights())
    for place, layer in enumerate((net, *net.layers)):  # Keras numbers what has no name by all that was made before
        layer.name = layer.name if layer.name in names.values() else f"unnamed_{place}"
    net.save_weights(str(folder / WEIGHTS))


def _written(
    templates: list[Template], tape: KerasTape, graph: Graph, title: str, frozen: list[tuple[str, str]]
) -> str:
    functions = [_Function(template, tape, templates[-1] is template, graph).text() for template in templates]
    own = copied(tape.own.values(), 'package="model"')
    code = "\n\n\n".join([*own, *functions])
    libraries = ["import keras"]
    used = [name for name in ("layers", "ops") if re.search(rf"\b{name}\.", code)]
    libraries.append(f"from keras import {', '.join(used)}")
    standard = ["from pathlib import Path"]
    standard = [*(["import math"] if "math." in code else []), *standard]
    standard += ["from typing import Any"] if re.search(r"\bAny\b", code) else []
    title = re.sub(r"[^\w./@+-]", "_", title)
    heading = f'"""{title}: plain Keras, with its weights in {WEIGHTS}.\n\nInput (N, H, W, C); gives logits.\n"""'
    head = "\n".join((heading, "", "from __future__ import annotations", "", *standard, "", *libraries))
    return "\n\n\n".join((head, code, _load(frozen))) + "\n\n\n" + MAIN


def _load(frozen: list[tuple[str, str]]) -> str:
    if not frozen:
        return LOAD.format(weights=WEIGHTS, freeze="")
    listed = "\n".join(f'    ("{owner}", "{attribute}"),' for owner, attribute in frozen)
    freeze = "    for layer, variable in FROZEN:\n        getattr(net.get_layer(layer), variable).trainable = False\n"
    return f"FROZEN = (\n{listed}\n)\n\n\n" + LOAD.format(weights=WEIGHTS, freeze=freeze)


LOAD = '''def load(
    weights: str | Path = Path(__file__).with_name("{weights}"),
) -> keras.Model:
    """The net with its weights; it predicts, and goes on training."""
    net = build()
    net.load_weights(str(weights))
{freeze}    return net'''
MAIN = """if __name__ == "__main__":
    load().summary()
"""


class _Function:
    """One function of the page: a block, or the whole net."""

    def __init__(self, template: Template, tape: KerasTape, whole: bool, graph: Graph) -> None:
        self.template, self.tape, self.whole, self.graph = template, tape, whole, graph
        self.scope = template.scope
        self.names: Names = {value: letter(place) for place, value in enumerate(self.scope.inputs)}
        self.found: list[str] = []
        self.returned = False
        self.shared = {
            head: 0 for head, count in Counter(op.expression.head for op in self._uses()).items() if count > 1
        }

    def _uses(self) -> list[Op]:
        inner = [(op, _inner(op.expression)) for op in self.scope.ops]
        return [Op(op.outs, expression, op.scope) for op, expression in inner if expression.kind == "use"]

    def text(self) -> str:
        """Its lines."""
        if self.whole:
            size = tuple(s if isinstance(s, int) else None for s in self.graph.input_shape[1:])
            self.found += ["def build() -> keras.Model:"]
            self.found += [f"    inputs = x = keras.Input({size})"]
        else:
            self.found += self._signature()
        ops = self.scope.ops
        last: dict[Value, int] = {}
        for place, op in enumerate(ops):
            last |= dict.fromkeys(values(op.expression), place)
        last |= dict.fromkeys(self.scope.outputs, len(ops))
        for place, op in enumerate(ops):
            self._step(op, place, last)
        if self.returned:
            return "\n".join(self.found)
        gives = ", ".join(self.names[value] for value in self.scope.outputs)
        self.found.append(f"    return keras.Model(inputs, {gives})" if self.whole else f"    return {gives}")
        return "\n".join(self.found)

    def _signature(self) -> list[str]:
        given = [letter(place) for place in range(len(self.scope.inputs))]
        required = [p.name for p in self.template.parameters if p.default is REQUIRED]
        others = [f"{p.name}={flat(p.default)}" for p in self.template.parameters if p.default is not REQUIRED]
        pieces: Doc = (
            f"def {snake(self.template.name)}",
            Group(tuple((one,) for one in (*given, *required, *others, "name")), "(", ")"),
            ":",
        )
        if others:
            items = tuple((one,) for one in (*given, *required, *others, "*", "name"))
            pieces = (pieces[0], Group(items, "(", ")"), ":")
        return lines(pieces, 0)

    # one step

    def _step(self, op: Op, place: int, last: Mapping[Value, int]) -> None:
        expression = op.expression
        if expression.kind == "optional":
            self._optional(op, place, last)
            return
        given = dict(self.names)
        dying = [value for value in dict.fromkeys(values(expression)) if last[value] == place]
        free = [self.names.pop(value) for value in dying]
        for out in op.outs:
            self.names[out] = self._fresh(free) if out in last else "_"
        outs = ", ".join(self.names[out] for out in op.outs)
        final = place == len(self.scope.ops) - 1 and op.outs == self.scope.outputs and not self.whole
        if final and not self._chained(expression):
            self.returned = True
            self._assign("return", expression, given, 4)
        else:
            self._assign(outs, expression, given, 4)
        for out in op.outs:
            if out not in last:
                del self.names[out]

    def _chained(self, expression: Expression) -> bool:
        child = self.scope.children.get(expression.head) if expression.kind == "use" else None
        return isinstance(child, Expression) and child.kind == "sequence"

    def _fresh(self, free: list[str]) -> str:
        if free:
            return free.pop(0)
        taken = set(self.names.values())
        return next(name for name in (letter(place) for place in range(10**6)) if name not in taken)

    def _optional(self, op: Op, place: int, last: Mapping[Value, int]) -> None:
        flag, present, instead = op.expression.args
        given = dict(self.names)
        free = [self.names.pop(v) for v in dict.fromkeys(values(op.expression)) if last[v] == place]
        out = given[instead] if given[instead] in free else self._fresh(free)
        self.names[op.outs[0]] = out
        if out != given[instead]:
            self.found.append(f"    {out} = {given[instead]}")
        if flag is True:
            self._assign(out, present, given, 4)
            return
        self.found.append(f"    if {flat(flag)}:")
        self._assign(out, present, given, 8)

    def _assign(self, out: str, expression: Expression, names: Names, indent: int) -> None:
        target = "return " if out == "return" else f"{out} = "
        if expression.kind != "use":
            self.found += lines((target, *doc(expression, names)), indent)
            return
        head = expression.head
        child = self.scope.children[head]
        assert isinstance(child, Expression)
        inputs = tuple(doc(arg, names) for arg in expression.args)
        called = self._named(head)
        if child.kind == "sequence":
            self._chain(out, child, inputs, called, indent)
        elif head in self.shared and child.head[:1].isupper() is False:
            variable = re.sub(r"\W", "_", head) if head[:1].isalpha() else f"layer_{head}"
            if not self.shared[head]:
                self.found += lines((f"{variable} = ", *_layer(child, called)), indent)
                self.shared[head] = 1
            self.found += lines((target, variable, Group(inputs, "(", ")")), indent)
        else:
            self.found += lines((target, *_made(child, inputs, called)), indent)

    def _chain(self, out: str, child: Expression, inputs: tuple[Doc, ...], called: str, indent: int) -> None:
        args, names = list(child.args), list(child.names)
        while args:
            run = 1
            while run < len(args) and args[run] == args[0]:
                run += 1
            stem, number = re.sub(r"\d+$", "", names[0]), re.search(r"\d+$", names[0])
            numbered = number is not None and names[:run] == [f"{stem}{int(number[0]) + i}" for i in range(run)]
            if run > 1 and numbered and number is not None:
                start = int(number[0])
                counts = f"range({start}, {start + run})" if start else f"range({run})"
                self.found.append(f"{' ' * indent}for i in {counts}:")
                self._link(out, args[0], inputs, self._joined(called, stem + "{i}"), indent + 4)
            else:
                run = 1
                self._link(out, args[0], inputs, self._joined(called, names[0]), indent)
            args, names, inputs = args[run:], names[run:], ((out,),)

    def _link(self, out: str, child: Expression, inputs: tuple[Doc, ...], called: str, indent: int) -> None:
        if child.kind == "sequence":
            self._chain(out, child, inputs, called, indent)
        else:
            if "for i in" in self.found[-1] and line(inputs[0]) != out:
                self.found.insert(-1, f"{' ' * (indent - 4)}{out} = {line(inputs[0])}")
                inputs = ((out,),)
            self.found += lines((f"{out} = ", *_made(child, inputs, called)), indent)

    # names of layers, as f-strings' insides

    def _named(self, head: str) -> str:
        return head if self.whole else "{name}" + self.tape.separator + head

    def _joined(self, called: str, last: str) -> str:
        return f"{called}{self.tape.separator}{last}"


def _inner(expression: Expression) -> Expression:
    inside = expression.args[1] if expression.kind == "optional" else expression
    assert isinstance(inside, Expression)
    return inside


def snake(name: str) -> str:
    """BasicBlock as basic_block."""
    name = name.replace("ReLU", "Relu").replace("SiLU", "Silu")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _string(called: str) -> str:
    if called == "{name}":
        return "name"
    return f'f"{called}"' if "{" in called else f'"{called}"'


def _given(child: Expression) -> list[Doc]:
    whole = doc(child, {})
    group = whole[-1]
    assert isinstance(group, Group)
    return list(group.items)


def _layer(child: Expression, called: str) -> Doc:
    name: list[Doc] = [] if UNNAMED in called else [(f"name={_string(called)}",)]
    return (child.head, Group((*_given(child), *name), "(", ")"))


def _made(child: Expression, inputs: tuple[Doc, ...], called: str) -> Doc:
    """A layer applied, or a function of the page called."""
    if child.head.startswith("layers.") or (child.names and child.head in OWN):
        return (*_layer(child, called), Group(inputs, "(", ")"))
    items = (*inputs, *_given(child), (f"name={_string(called)}",))
    return (snake(child.head), Group(items, "(", ")"))


OWN = frozenset(("AvgPool2D", "BatchNorm", "ConstantPad2D", "Gelu", "GroupedConv2D", "KernelConv2D", "Parameter"))

"""What `bakeoff models NAME --summary` shows: a net layer by layer, as the graph has it or as a framework does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import UsageError
from bakeoff.shown import shell

if TYPE_CHECKING:
    from bakeoff.graph import Graph
    from bakeoff.graph.summary import Layer, Summary


def net_of(name: str, size: tuple[int, int, int], classes: int) -> tuple[Graph, tuple[int, int]]:
    """The graph behind a name, and the size of its images: one of our own nets, a run, or a bundle.

    Args:
        name: as the user typed it.
        size: (height, width, channels) of the images, for our own nets.
        classes: logits, for our own nets.

    Raises:
        UsageError: it is another library's.
    """
    from bakeoff import bundle, models

    if bundle.folder_of(Path(name)) is not None:
        held = bundle.read(Path(name))
        return held.graph, held.signature.size
    if "/" in name:
        raise UsageError(
            f"--summary: {name} is not one of Bakeoff's own nets, nor a run or a bundle.\n"
            f"Make a bundle of it first: bakeoff convert {shell(name)} --to bundle"
        )
    return models.build(name, size[:2], size[2], classes), size[:2]


def show(graph: Graph, size: tuple[int, int], framework: str | None) -> None:
    """Print the layers, their outputs and numbers; with a framework, its own layers in its own order of axes."""
    from bakeoff.graph.summary import summary

    found = summary(graph, {"height": size[0], "width": size[1]})
    if framework in ("tensorflow", "jax"):
        _keras(graph, framework)
        return
    kinds = _torch(graph, found) if framework == "torch" else {}
    _print(found, kinds, channels_first=framework == "torch")


def to_json(found: Summary) -> dict[str, Any]:
    """As `--json` prints it."""
    rows = [
        {
            "name": one.name,
            "op": one.op,
            "shape": list(one.shape),
            "parameters": one.parameters,
            "trainable": one.trainable,
            "inputs": list(one.inputs),
        }
        for one in found.layers
    ]
    return {"layers": rows, "parameters": found.parameters, "trainable": found.trainable}


def _print(found: Summary, kinds: dict[str, str], *, channels_first: bool) -> None:
    from rich.table import Table

    from bakeoff.cli import _output as out

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("layer", overflow="fold")
    table.add_column("kind", overflow="fold")
    table.add_column("output", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    for one in found.layers:
        kind = kinds.get(one.name, one.op)
        numbers = f"{one.parameters:,}" if one.parameters else "0"
        table.add_row(out.plain(one.name, "bold"), kind, _shape(one, channels_first=channels_first), numbers)
    console = out.console()
    console.print(table)
    console.print(
        f"\n{found.parameters:,} parameters ({4 * found.parameters / 1e6:,.2f} MB in float32): {found.trainable:,} "
        f"trainable, {found.fixed:,} not"
    )


def _shape(one: Layer, *, channels_first: bool) -> str:
    shape = one.shape
    if channels_first and len(shape) == 4:
        shape = (shape[0], shape[3], shape[1], shape[2])
    return "(" + ", ".join("N" if place == 0 and size is None else str(size) for place, size in enumerate(shape)) + ")"


def _torch(graph: Graph, found: Summary) -> dict[str, str]:
    """The classes of the native modules, by layer; what is a function there stays as it is called here."""
    from bakeoff import frameworks
    from bakeoff.graph.names import torch_path

    native = frameworks.load("torch").native(graph, device="cpu").native
    modules = {path: type(module).__name__ for path, module in native.named_modules()}
    return {one.name: modules[torch_path(one.name)] for one in found.layers if torch_path(one.name) in modules}


def _keras(graph: Graph, framework: str) -> None:
    """Keras's own summary."""
    os.environ["KERAS_BACKEND"] = framework
    from bakeoff import frameworks

    native: Any = frameworks.load(framework).native(graph, device="cpu", batch_norm="stock").native
    native.summary(print_fn=print)

"""What the workers of a conversion do: one holds the source, one the target; where both are of one framework, one both.

Arrays go through files in a folder of the conversion's own, everything else as JSON:

    captured/       the source's graph, with its signature and class names, as a bundle
    inputs.npz      images, normalised, float64, and labels: written by the parent
    state.npz       weights under which a mistake shows, written by the source, read by the target
    source.npz, target.npz      the traces
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import frameworks
from bakeoff.bundle import read as read_bundle
from bakeoff.bundle import write as write_bundle
from bakeoff.conversion import tracing
from bakeoff.graph.graph import Graph
from bakeoff.graph.passes import without_noise
from bakeoff.parity import relative
from bakeoff.schemas import Array
from bakeoff.seeds import rng
from bakeoff.workers.channel import Reporter
from bakeoff.zoo.opening import Opened, Source, bundled, fill_keras, fill_torch, opened

Session = dict[str, Any]
TINY = 1e-15  # a rounding


def warm(session: Session, reporter: Reporter, *, framework: str) -> None:
    """Import a framework ahead of time."""
    frameworks.load(framework).environment()


def open_source(session: Session, reporter: Reporter, *, source: dict[str, Any], folder: str) -> dict[str, Any]:
    """Open it, keep it in the session, write its graph; what the parent needs to know."""
    size, classes = source.pop("input_size"), source.pop("classes")
    asked = Source(**source, input_size=tuple(size) if size else None, classes=classes)
    return described(session, opened(asked), asked.framework, folder)


def described(session: Session, found: Opened, framework: str, folder: str) -> dict[str, Any]:
    """Keep what was opened in the session, write its graph; what the parent needs to know."""
    session["opened"] = found
    write_bundle(Path(folder) / "captured", bundled(found, framework))
    graph = found.graph
    unused = [p for path, p in graph.parameters.items() if p.role == "weight" and not graph.users[path]]
    classes = graph.output_shape[-1]
    return {
        "size": list(found.size),
        "fixed": found.fixed,
        "head": found.head,
        "notes": list(found.notes),
        "channels": found.signature.channels,
        "classes": classes if isinstance(classes, int) else 0,
        "vector": len(graph.output_shape) == 2,
        "signature": found.signature.to_json(),
        "parameters": graph.count(),
        "unused": sum(p.array.size for p in unused),
        "unused_trainable": sum(p.array.size for p in unused if p.trainable),
        "work": tracing.work_of(graph, found.size),
        "batch_norm": any(node.op == "batch_norm" for node in graph.nodes),
        "environment": frameworks.load(framework).environment(),
    }


def foreign_weights(
    session: Session, reporter: Reporter, *, folder: str, framework: str, file: str, output: str
) -> None:
    """Weights that were trained in this framework, in the net that a conversion made: as arrays by path."""
    graph = read_bundle(Path(folder) / "captured").graph
    net = frameworks.load(framework).native(graph, batch_norm="stock")
    (fill_torch if framework == "torch" else fill_keras)(net.native, Path(file))
    np.savez(Path(folder) / output, **net.arrays())  # type: ignore[arg-type]


def adopt(session: Session, reporter: Reporter, *, folder: str, framework: str, arrays: str) -> dict[str, Any]:
    """Put arrays into the live source, and say anew what there is."""
    found: Opened = session["opened"]
    assert found.adopt is not None
    with np.load(Path(folder) / arrays) as file:
        fresh = found.adopt(dict(file))
    return described(session, replace(fresh, extra=found.extra), framework, folder)


def trace_source(session: Session, reporter: Reporter, *, folder: str, full: bool) -> dict[str, Any]:
    """Ask the live net; leaves `source.npz` and `state.npz`."""
    found: Opened = session["opened"]
    place = Path(folder)
    inputs = dict(np.load(place / "inputs.npz"))
    graph = without_noise(found.graph)
    loss = tracing.loss_of(graph)
    net = found.live("float64")
    counted = counts(net, graph)
    trace, floors = _given(net, inputs, noise=True)
    state = tracing.revealing(graph, net.arrays())
    net.load(state)
    tracing.calibrated(net, graph, inputs["main"])
    kept = net.arrays()
    np.savez(place / "state.npz", **kept)  # type: ignore[arg-type]
    trace["float64.telling"] = net.logits(inputs["main"])
    floors["float64.telling"] = relative(net.logits(_rounded(inputs["main"])), trace["float64.telling"])
    if full:
        trace |= _trained(net, inputs, loss)
    notes = net.notes() if hasattr(net, "notes") else []
    del net
    trace |= _single(found.live("float32"), inputs, kept)
    for what in ("logits", "telling"):
        floors[f"float32.{what}"] = relative(trace[f"float32.{what}"], trace[f"float64.{what}"])
    np.savez(place / "source.npz", **trace)  # type: ignore[arg-type]
    return {"counts": counted, "floors": floors, "notes": notes}


def trace_noise(session: Session, reporter: Reporter, *, folder: str) -> None:
    """Train the live net once more, its images changed by a rounding; leaves `noise.npz`."""
    place = Path(folder)
    inputs = {key: _rounded(a) if key.startswith("train") else a for key, a in np.load(place / "inputs.npz").items()}
    net = session["opened"].live("float64")
    net.load(dict(np.load(place / "state.npz")))
    loss = tracing.loss_of(session["opened"].graph)
    np.savez(place / "noise.npz", **_trained(net, inputs, loss))  # type: ignore[arg-type]


def trace_target(
    session: Session, reporter: Reporter, *, folder: str, framework: str, full: bool, stock: bool
) -> dict[str, Any]:
    """Rebuild the graph in a framework and ask the same; leaves `target.npz`."""
    place = Path(folder)
    inputs, state = dict(np.load(place / "inputs.npz")), dict(np.load(place / "state.npz"))
    graph = without_noise(read_bundle(place / "captured").graph)

    def rebuilt(precision: str, **settings: Any) -> Any:
        return frameworks.load(framework).native(graph.astype(precision), precision=precision, **settings)

    net = rebuilt("float64")
    counted = counts(net, graph)
    trace, _ = _given(net, inputs, noise=False)
    net.load(state)
    trace["float64.telling"] = net.logits(inputs["main"])
    if full:
        trace |= _trained(net, inputs, tracing.loss_of(graph))
    del net
    if full and stock:
        biased = rebuilt("float64", batch_norm="stock")
        biased.load(state)
        biased.logits(inputs["train0"], train=True)
        trace |= {f"stock/{path}": array for path, array in biased.arrays().items()}
        del biased
    trace |= _single(rebuilt("float32"), inputs, state)
    np.savez(place / "target.npz", **trace)  # type: ignore[arg-type]
    return {"counts": counted, "environment": frameworks.load(framework).environment()}


def _given(net: Any, inputs: dict[str, Array], *, noise: bool) -> tuple[dict[str, Array], dict[str, float]]:
    names = {"main": "logits", "batch": "second_batch", "size": "second_size"}
    found = {f"float64.{name}": net.logits(inputs[key]) for key, name in names.items() if key in inputs}
    floors = {}
    if noise:
        floor = relative(net.logits(_rounded(inputs["main"])), found["float64.logits"])
        floors = dict.fromkeys(found, floor)
    return found, floors


def _rounded(images: Array) -> Array:
    changed: Array = images * (1 + TINY * rng(0, "rounded").normal(size=images.shape))
    return changed


def _trained(net: Any, inputs: dict[str, Array], loss: str) -> dict[str, Array]:
    steps = [key for key in (f"train{step}" for step in range(tracing.STEPS)) if key in inputs]
    return tracing.training(net, [inputs[key] for key in steps], [inputs[f"labels{key[5:]}"] for key in steps], loss)


def _single(net: Any, inputs: dict[str, Array], state: dict[str, Array]) -> dict[str, Array]:
    images = inputs["main"].astype("float32")
    found = {"float32.logits": net.logits(images)}
    floating = {path: array for path, array in state.items() if np.issubdtype(array.dtype, np.floating)}
    net.load({path: array.astype("float32") for path, array in floating.items()})
    return {**found, "float32.telling": net.logits(images)}


def counts(net: Any, graph: Graph) -> dict[str, int]:
    """Parameters and trainable ones, as the native net itself counts them."""
    if hasattr(net, "trainable_count"):
        return {"parameters": net.parameter_count(), "trainable": net.trainable_count()}
    native = net.native
    if hasattr(native, "parameters"):
        tensors = list(native.parameters())
        learned = sum(tensor.numel() for tensor in tensors if tensor.requires_grad)
        return {"parameters": sum(tensor.numel() for tensor in tensors), "trainable": learned}
    weights = [path for path in net.arrays() if graph.parameters[path].role == "weight"]
    return {
        "parameters": sum(graph.parameters[path].array.size for path in weights),
        "trainable": sum(int(np.prod(variable.shape)) for variable in native.trainable_variables),
    }


# where they part ------------------------------------------------------------------------------------------------------


def activations(session: Session, reporter: Reporter, *, folder: str, framework: str | None, output: str) -> list[str]:
    """The outputs of layers by path, one image, float64: of the source (framework None), or of the rebuilt net."""
    place = Path(folder)
    images = np.load(place / "inputs.npz")["main"][:1]
    if framework is None:
        net = session["opened"].live("float64")
    else:
        graph = without_noise(read_bundle(place / "captured").graph)
        net = frameworks.load(framework).native(graph.astype("float64"), precision="float64")
    state = place / "state.npz"
    if state.is_file():
        net.load(dict(np.load(state)))
    asked: Callable[[Array], dict[str, Array]] | None = getattr(net, "activations", None)
    found = asked(images) if asked else _layers(net, images)
    np.savez(place / output, **found)  # type: ignore[arg-type]
    return sorted(found)


def _layers(net: Any, images: Array) -> dict[str, Array]:
    """Of a rebuilt net."""
    if hasattr(net.native, "named_modules"):
        from bakeoff.frameworks.torch.live import module_outputs

        return module_outputs(net.native, lambda: net.logits(images))
    from bakeoff.frameworks._keras.live import layer_outputs

    return layer_outputs(net.native, images)


# the output -----------------------------------------------------------------------------------------------------------


def write(session: Session, reporter: Reporter, *, folder: str, to: str, output: str, own: bool) -> None:
    """Write the output: the source itself in its own library's way, or the captured graph in another's."""
    from bakeoff.conversion.output import write

    write(session["opened"] if own else None, Path(folder), to, Path(output))


def read_back(session: Session, reporter: Reporter, *, folder: str, to: str, output: str, own: bool) -> dict[str, Any]:
    """Read the output, and say how far it is from the source."""
    from bakeoff.conversion.output import read_back

    return read_back(session["opened"] if own else None, Path(folder), to, Path(output))


def compare_contents(session: Session, reporter: Reporter, *, one: str, other: str) -> list[str]:
    """What two outputs don't have in common, by name."""
    from bakeoff.conversion import contents

    return contents.different(contents.of(Path(one)), contents.of(Path(other)))

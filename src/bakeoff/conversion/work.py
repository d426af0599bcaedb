"""What the workers of a conversion do: one holds the source, one the target; where both are of one framework, one both.

Arrays go through files in a folder of the conversion's own, everything else as JSON:

    captured/       the source's graph, with its signature and class names, as a bundle
    trial.npz       the questions: written by the parent
    state.npz       weights under which a mistake shows, written by the source, read by the target
    source.npz, source32.npz, target.npz, target32.npz      the traces, in float64 and float32
    noise0.npz ...  the source's once more, its images and weights changed by a rounding
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bakeoff import frameworks
from bakeoff.bundle import Bundle
from bakeoff.bundle import read as read_bundle
from bakeoff.bundle import write as write_bundle
from bakeoff.conversion.questions import Described, work_of
from bakeoff.errors import BakeoffError
from bakeoff.graph.graph import Graph
from bakeoff.graph.telling import calibrated, revealing
from bakeoff.parity import Trace
from bakeoff.parity.draws import Draws
from bakeoff.parity.noise import rounded
from bakeoff.parity.trial import Trial, ask
from bakeoff.schemas import Array
from bakeoff.workers.channel import Reporter
from bakeoff.zoo.opening import Opened, Source, bundled, fill_keras, fill_torch, opened

Session = dict[str, Any]
SOURCE, TARGET = "source", "target"


def warm(session: Session, reporter: Reporter, *, framework: str) -> None:
    """Import a framework ahead of time."""
    frameworks.load(framework).environment()


def open_source(session: Session, reporter: Reporter, *, source: dict[str, Any], folder: str) -> dict[str, Any]:
    """Open it, keep it in the session, write its graph; what the parent needs to know."""
    asked = msgspec.convert(source, Source)
    return described(session, opened(asked), asked.framework, folder)


def described(session: Session, found: Opened, framework: str, folder: str) -> dict[str, Any]:
    """Keep what was opened in the session, write its graph; a `Described` as JSON."""
    session["opened"] = found
    write_bundle(Path(folder) / "captured", bundled(found, framework))
    graph = found.graph
    unused = [p for path, p in graph.parameters.items() if p.role == "weight" and not graph.users[path]]
    classes = graph.output_shape[-1]
    source = Described(
        size=(found.size[0], found.size[1]),
        fixed=found.fixed,
        sizes=found.sizes,
        head=found.head,
        notes=found.notes,
        declared=found.declared,
        channels=found.signature.channels,
        classes=classes if isinstance(classes, int) else 0,
        vector=len(graph.output_shape) == 2,
        signature=found.signature.to_json(),
        parameters=graph.count(),
        unused=sum(p.array.size for p in unused),
        unused_trainable=sum(p.array.size for p in unused if p.trainable),
        work=work_of(graph, found.size),
        keeps_state=any(node.keeps_state for node in graph.nodes),
        environment=frameworks.load(framework).environment(),
    )
    answer: dict[str, Any] = msgspec.to_builtins(source)
    return answer


def foreign_weights(
    session: Session, reporter: Reporter, *, folder: str, framework: str, file: str, output: str
) -> None:
    """Weights that were trained in this framework, in the net that a conversion made: as arrays by path."""
    graph = captured(session, folder).graph
    net = frameworks.load(framework).native(graph, batch_norm="stock")
    (fill_torch if framework == "torch" else fill_keras)(net.native, Path(file))
    np.savez(Path(folder) / output, **net.arrays())  # type: ignore[arg-type]


def adopt(session: Session, reporter: Reporter, *, folder: str, framework: str, arrays: str) -> dict[str, Any]:
    """Put arrays into the live source, and say anew what there is."""
    found: Opened = session["opened"]
    assert found.adopt is not None
    with np.load(Path(folder) / arrays) as file:
        fresh = found.adopt(dict(file))
    return described(session, replace(fresh, extra=found.extra, save=found.save, notes=found.notes), framework, folder)


def captured(session: Session, folder: str) -> Bundle:
    """The captured bundle, read from its folder once."""
    if "captured" not in session:
        session["captured"] = read_bundle(Path(folder) / "captured")
    bundle: Bundle = session["captured"]
    return bundle


def forget(session: Session, reporter: Reporter) -> None:
    """The captured bundle was written anew."""
    session.pop("captured", None)


# asking ---------------------------------------------------------------------------------------------------------------


def ask_source(session: Session, reporter: Reporter, *, folder: str) -> dict[str, Any]:
    """Ask the live net; leaves `source.npz`, `source32.npz` and `state.npz`.

    Returns:
        counts of parameters, notes, and `refused`: the questions about sizes that the source itself can't answer.
    """
    found: Opened = session["opened"]
    place = Path(folder)
    trial = Trial.load(place / "trial.npz")
    graph = found.graph
    net = found.live("float64")
    counted = counts(net, graph)
    asked = {name: _answer(net, images) for name, images in trial.predictions.items() if name.startswith("size_")}
    known = {name: logits for name, logits in asked.items() if logits is not None}
    refused = [name for name in asked if name not in known]
    if refused:
        trial = trial.without(refused)
        trial.save(place / "trial.npz")

    def state(net: Any) -> dict[str, Array]:
        net.load(revealing(graph, net.arrays()))
        calibrated(net, graph, trial.predictions["given"])
        kept: dict[str, Array] = net.arrays()
        np.savez(place / "state.npz", **kept)  # type: ignore[arg-type]
        return kept

    trace, said = ask(net, trial, state, known=known), []
    for less in ({"tied": ()}, {"flat": None}):  # a root or a norm of nothing has no slope
        if not _is_finite(trace.gradients.get("flat", {})):
            trial = replace(trial, **less)
            trial.save(place / "trial.npz")
            net = found.live("float64")
            trace = ask(net, trial, state, known=known)
            said = ["on images without a texture its own gradients aren't finite"] if trial.flat is None else []
    trace.save(place / "source.npz")
    notes = [*(net.notes() if hasattr(net, "notes") else []), *said]
    del net
    _in_float32(found.live("float32"), trial, place, SOURCE)
    return {"counts": counted, "notes": notes, "refused": refused}


def _is_finite(arrays: Mapping[str, Array]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays.values())


def _answer(net: Any, images: Array) -> Array | None:
    try:
        found: Array = net.logits(images)
    except BakeoffError:
        raise
    except Exception:  # whatever the library says of an image that is too small for it
        return None
    return found


def ask_noise(
    session: Session, reporter: Reporter, *, folder: str, draw: int, checks: list[str], framework: str = ""
) -> None:
    """Ask the live net again what these checks rest on, all changed by a rounding; leaves `noise0.npz` and so on.

    Args:
        framework: ask the rebuilt net of this framework; leaves `rebuilt_noise0.npz`.
    """
    place = Path(folder)
    trial = Trial.load(place / "trial.npz").rounded(draw).only(checks)
    if framework:
        graph = captured(session, folder).graph
        net = frameworks.load(framework).native(graph.astype("float64"), precision="float64")
    else:
        net = session["opened"].live("float64")
    net.load(rounded(net.arrays(), draw))
    state = rounded(dict(np.load(place / "state.npz")), draw)
    name = f"rebuilt_noise{draw}" if framework else f"noise{draw}"
    ask(net, trial, lambda _: state, _draws(place)).save(place / f"{name}.npz")


def _draws(place: Path) -> Draws:
    """What the source drew."""
    return Draws(Trace.load(place / f"{SOURCE}.npz", "draws").draws)


def ask_target(session: Session, reporter: Reporter, *, folder: str, framework: str, stock: bool) -> dict[str, Any]:
    """Rebuild the graph in a framework and ask the same; leaves `target.npz` and `target32.npz`.

    Args:
        stock: also ask the net of stock layers for its running statistics after one pass: `stock.npz`.
    """
    place = Path(folder)
    trial, state = Trial.load(place / "trial.npz"), dict(np.load(place / "state.npz"))
    graph = captured(session, folder).graph

    def rebuilt(precision: str, **settings: Any) -> Any:
        return frameworks.load(framework).native(graph.astype(precision), precision=precision, **settings)

    net = rebuilt("float64")
    counted = counts(net, graph)
    draws = _draws(place)
    ask(net, trial, lambda _: state, draws).save(place / "target.npz")
    del net
    if stock and trial.steps:
        biased = rebuilt("float64", batch_norm="stock")
        biased.load(state)
        biased.compile(*trial.optimizer, trial.loss)
        draws.before(biased, "step 0")
        biased.gradients(*trial.steps[0])
        np.savez(place / "stock.npz", **biased.arrays())
        del biased
    _in_float32(rebuilt("float32"), trial, place, TARGET)
    return {"counts": counted, "environment": frameworks.load(framework).environment()}


def _in_float32(net: Any, trial: Trial, place: Path, side: str) -> None:
    state = {path: a for path, a in np.load(place / "state.npz").items() if np.issubdtype(a.dtype, np.floating)}
    single = {path: array.astype("float32") for path, array in state.items()}
    ask(net, trial.briefly().astype("float32"), lambda _: single).save(place / f"{side}32.npz")


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
    images = Trial.load(place / "trial.npz").predictions["given"][:1]
    if framework is None:
        net = session["opened"].live("float64")
    else:
        graph = captured(session, folder).graph
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

    write(session["opened"] if own else None, captured(session, folder), to, Path(output))


def write_page(session: Session, reporter: Reporter, *, folder: str, to: str, output: str, title: str) -> None:
    """Write a page of plain code and its weights."""
    from bakeoff.exports.source import write

    write(captured(session, folder).graph, to, Path(output).parent, title)


def read_back(session: Session, reporter: Reporter, *, folder: str, to: str, output: str, own: bool) -> dict[str, Any]:
    """Read the output, and say how far it is from the source."""
    from bakeoff.conversion.output import read_back

    bundle, place = captured(session, folder), Path(folder)
    images = Trial.load(place / "trial.npz").predictions["given"].astype("float32")
    expected = Trace.load(place / "source32.npz").logits["given"]
    return read_back(session["opened"] if own else None, bundle, to, Path(output), images, expected)


def compare_contents(
    session: Session, reporter: Reporter, *, folder: str, to: str, output: str, own: bool, again: str
) -> list[str]:
    """Where an output isn't the same, written anew, or else the net in memory, by name."""
    from bakeoff.conversion import contents

    native = session["opened"].native if own else None
    expected = (
        contents.of(Path(again)) if Path(again).exists() else contents.meant(native, captured(session, folder), to)
    )
    return contents.different(contents.of(Path(output)), expected)

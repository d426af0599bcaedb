"""What an output file holds, taken apart: so that two of them are compared piece by piece, and a difference has a name.

    {"layer bn1": {"momentum": 0.9, "gamma": array, ...}, "classes": [...], "signature": {...}, ...}

The version and the place that wrote them are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import checkpoints, registry
from bakeoff.bundle import Bundle
from bakeoff.bundle.layout import JSON_NAME, WEIGHTS_NAME
from bakeoff.conversion.request import PAGES
from bakeoff.errors import CorruptError
from bakeoff.exports._text import text as text_of
from bakeoff.runtimes import torch_export
from bakeoff.runtimes._metadata import KEY
from bakeoff.zoo.listing import source, writer_of

Contents = dict[str, Any]
MOST = 3  # differences in a line
SHOWN = 60  # characters of a value
FORMATS = (".keras", ".onnx", ".pt2")  # what they write is whole in memory before
UNNAMED = ("config", "attributes", "numbers")  # what they hold is named as if it lay one level higher


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Missing()


def of(path: Path) -> Contents:
    """Layers with their settings and weights, texts, whatever else there is, by name.

    Raises:
        CorruptError: the file is damaged or hostile.
    """
    readers = {".keras": _keras, ".onnx": _onnx, ".pt2": _exported, ".py": _page}
    folder = _folder if writer_of(path) else _bundle
    reader = folder if path.is_dir() else readers.get(path.suffix, _state)
    try:
        return reader(path)
    except (AttributeError, KeyError, TypeError, ValueError, OSError, RecursionError) as error:
        raise CorruptError(f"{path}: damaged or edited ({error}). Convert it anew.") from None


def meant(native: Any, bundle: Bundle, to: str) -> Contents:
    """What a file of a format is to hold: of the net in memory, or of the source itself (`native`)."""
    if native is not None:
        return of_keras(native, text_of(bundle))
    made = registry.load("bakeoff.exports.formats", to, what="format").made(bundle)
    if to == "torch":
        return of_program(made.module(), text_of(bundle))
    return (of_keras if to == "keras" else of_onnx)(made, text_of(bundle))


def different(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Where two outputs differ, in words: `layer bn1, field momentum: 0.8, expected 0.9`."""
    names = [*expected, *(name for name in found if name not in expected)]
    return [
        f"{name}{', field ' if field[:1] not in ('', '[') else ''}{field}: {what}"
        for name in names
        for field, what in _differences(found.get(name, NOTHING), expected.get(name, NOTHING), "")
    ]


def listed(differences: list[str]) -> str:
    """The first of them, in a line."""
    more = f"; and {len(differences) - MOST} more" if len(differences) > MOST else ""
    return "; ".join(differences[:MOST]) + more or "nothing differs"


def _differences(found: Any, expected: Any, field: str) -> Iterator[tuple[str, str]]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in [*expected, *(key for key in found if key not in expected)]:
            inner = field if key in UNNAMED else f"{field}.{key}".lstrip(".")
            yield from _differences(found.get(key, NOTHING), expected.get(key, NOTHING), inner)
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, pair in enumerate(zip(found, expected, strict=True)):
            yield from _differences(*pair, f"{field}[{index}]")
    elif isinstance(found, np.ndarray) and isinstance(expected, np.ndarray):
        if (found.dtype, found.shape) != (expected.dtype, expected.shape):
            yield field, f"{found.dtype} {found.shape}, expected {expected.dtype} {expected.shape}"
        elif found.tobytes() != expected.tobytes():
            places = np.flatnonzero(found != expected)  # none: -0 beside 0, or another NaN
            one, other = (side.flat[places[0] if places.size else 0] for side in (found, expected))
            yield field, f"{places.size:,} of {found.size:,}, as {one!s}, expected {other!s}"
    elif type(found) is not type(expected) or repr(found) != repr(expected):
        yield field, f"{_shown(found)}, expected {_shown(expected)}"


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "class_name" in value:
        value = {value["class_name"]: value.get("config")}
    text = f"an array {value.shape}" if isinstance(value, np.ndarray) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _weights(values: Mapping[str, Any], separator: str = ".") -> Contents:
    """Arrays, with what else there is of each, by the layer that has them."""
    found: Contents = {}
    for name, value in values.items():
        layer, _, field = name.rpartition(separator)
        found.setdefault(f"layer {layer}" if layer else "weights", {})[field] = value
    return found


def _joined(*parts: Contents) -> Contents:
    """All of them, the fields of a layer together."""
    found: Contents = {}
    for part in parts:
        for name, value in part.items():
            found[name] = {**found[name], **value} if isinstance(found.get(name), dict) else value
    return found


def _state(path: Path) -> Contents:
    return _weights(checkpoints.read(path))


def _bundle(path: Path) -> Contents:
    """Where it was made is no part of what it is."""
    value = json.loads((path / JSON_NAME).read_text(encoding="utf-8"))
    value |= {key: one for key, one in value.pop("extra").items() if key != "environment"}
    graph = value.pop("graph")
    nodes = {f"layer {node.get('path') or node.get('id')}": node for node in graph.pop("nodes")}
    others = {file.name for file in path.rglob("*")} - {JSON_NAME, WEIGHTS_NAME}
    held: Contents = {name: {"numbers": array} for name, array in checkpoints.read(path / WEIGHTS_NAME).items()}
    for name, row in graph.pop("parameters").items():
        held[name] = {**row, **held.get(name, {})}
    terms: Contents = {}
    for row in graph.pop("penalties", []):
        on = row.pop("on")
        terms.setdefault(f"penalty on {on if isinstance(on, str) else on[0]}", []).append(row)
    return _joined(nodes, value, graph, terms, _weights(held), dict.fromkeys(others, ""))


def _page(path: Path) -> Contents:
    """A page line by line, with the weights beside it."""
    text = path.read_text(encoding="utf-8")
    lines = {f"{path.name} line {number}": line for number, line in enumerate(text.splitlines(), 1)}
    files = [path.with_name(name) for name in PAGES.values() if name in text]
    return _joined(lines, *(_weights(checkpoints.read(file), "/" if file.suffix == ".h5" else ".") for file in files))


def _folder(path: Path) -> Contents:
    """A folder that a library wrote: its weights, and its other files."""
    library = source(str(writer_of(path)))
    files = [file for file in library.parts(library.weights_of(path)) if file.suffix == ".json"]
    texts = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in files}
    return _joined(_weights(library.state_of(path)), texts)


def _keras(path: Path) -> Contents:
    """Loaded by this Keras: so that a file of another version is compared in the words of this one."""
    from bakeoff.runtimes import keras_file

    beside = keras_file.sidecar(path)
    return of_keras(keras_file.model(path), beside.read_text(encoding="utf-8") if beside.is_file() else "")


def of_keras(model: Any, text: str) -> Contents:
    """A keras.Model, and what a file says about itself."""
    from bakeoff.frameworks._keras.arrays import config, weights

    held = {name: {"numbers": array, "trainable": learned} for name, (array, learned) in weights(model).items()}
    return _joined(_layers(config(model), ""), json.loads(text or "{}"), _weights(held, "/"))


def _layers(model: dict[str, Any], within: str) -> Contents:
    """The layers of a model by name, those of models in it too, with all that they are connected to."""
    settings = dict(model["config"])
    found: Contents = {}
    for layer in settings.pop("layers", []):
        name = f"{within}{layer['config'].get('name') or layer.get('name')}"
        found |= _layers(layer, f"{name}/") if "layers" in layer["config"] else {f"layer {name}": layer}
    return found | {f"model {within}".rstrip(" /"): {**model, "config": settings}}


def _onnx(path: Path) -> Contents:
    import onnx

    return of_onnx(onnx.load(str(path), load_external_data=False))


def of_onnx(model: Any, _: str = "") -> Contents:
    """A ModelProto, which says itself what it is."""
    import onnx

    nodes: Contents = {}
    for node in model.graph.node:
        settings = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        said = {"domain": node.domain, "inputs": list(node.input), "outputs": list(node.output), **settings}
        nodes.setdefault(f"layer {node.name.rpartition(':')[0]}", {})[node.op_type] = said
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    texts = {one.key: one.value for one in model.metadata_props}
    rest = {
        field.name: str(value)
        for part, known in ((model, ("graph", "metadata_props")), (model.graph, ("node", "initializer")))
        for field, value in part.ListFields()
        if field.name not in known
    }
    said = json.loads(texts.pop(KEY, "{}"))
    return _joined(nodes, said, {"model": {**rest, **texts}}, _weights(arrays))


def _exported(path: Path) -> Contents:
    return of_program(*torch_export.module(path))


def of_program(module: Any, text: str) -> Contents:
    """The module of an exported program, and what a file says about itself."""
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    values = {name: {"numbers": t.detach().cpu().numpy(), "trainable": t.requires_grad} for name, t in held.items()}
    calls: Contents = {}
    for node in module.graph.nodes:
        within = [name for name, _ in (node.meta.get("nn_module_stack") or {}).values()]
        layer = f"layer {within[-1]}" if within and within[-1] else "program"
        named = [argument.name for argument in getattr(getattr(node.target, "_schema", None), "arguments", ())]
        given = {**dict(zip(named, node.args, strict=False)), **node.kwargs} if named else {"arguments": node.args}
        said = {key: _said(value) for key, value in given.items()}
        calls.setdefault(layer, {})[node.name] = {"operator": str(node.target), **said}
    return _joined(calls, json.loads(text or "{}"), _weights(values))


def _said(value: Any) -> Any:
    """An argument of a call in plain values; that of another call by its name."""
    return [_said(one) for one in value] if isinstance(value, list | tuple) else getattr(value, "name", repr(value))

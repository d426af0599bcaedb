"""What an output file holds, taken apart: so that two of them are compared piece by piece, and a difference has a name.

The version and the place that wrote them are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.bundle import read as read_bundle
from bakeoff.bundle.layout import JSON_NAME

Contents = dict[str, Any]


def of(path: Path) -> Contents:
    """Arrays, texts and settings by name.

    Raises:
        CorruptError: the file is damaged or hostile.
    """
    readers = {".keras": _keras, ".onnx": _onnx, ".pt2": _exported}
    return readers[path.suffix](path) if path.suffix in readers else _arrays(path)


def different(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The names under which two outputs hold something else, or that one of them lacks."""
    return sorted(name for name in set(one) | set(other) if not _equal(one.get(name), other.get(name)))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and bool(a == b)


def of_bundle(path: Path) -> Contents:
    """Of a bundle: weights, and its JSON key by key; where it was made is no part of what it is."""
    found: Contents = {f"weight {name}": array for name, array in read_bundle(path).graph.arrays().items()}
    value = json.loads((path / JSON_NAME).read_text(encoding="utf-8"))
    value["extra"] = {key: one for key, one in value["extra"].items() if key != "environment"}
    graph = value.pop("graph")
    found |= {f"{JSON_NAME} {key}": one for key, one in value.items()}
    found |= {f"node {node.get('path') or node.get('id')}": node for node in graph.get("nodes", [])}
    return {**found, "graph": {key: one for key, one in graph.items() if key != "nodes"}}


def _arrays(path: Path) -> Contents:
    from bakeoff import checkpoints

    return {f"weight {name}": array for name, array in checkpoints.read(path).items()}


def _keras(path: Path) -> Contents:
    """Loaded by this Keras: so that a file of another version is compared in the words of this one."""
    from bakeoff.runtimes import keras_file

    model = keras_file.model(path)
    from bakeoff.frameworks._keras.arrays import config, weights

    has = weights(model)
    found: Contents = {f"weight {name}": array for name, (array, _) in has.items()}
    found |= {f"trainable {name}": trained for name, (_, trained) in has.items()}
    found |= _layers(config(model)["config"], type(model).__name__)
    beside = keras_file.sidecar(path)
    text = beside.read_text(encoding="utf-8") if beside.is_file() else "{}"
    return found | {f"text {key}": value for key, value in json.loads(text).items()}


def _layers(config: dict[str, Any], kind: str) -> Contents:
    """The layers of a model by place and name, with all that they are connected to."""
    found: Contents = {"model": kind}
    for i, layer in enumerate(config.get("layers", [])):
        found[f"layer {i} ({layer['config'].get('name')})"] = layer
    return found | {f"model {key}": value for key, value in config.items() if key != "layers"}


def _onnx(path: Path) -> Contents:
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    found: Contents = {f"weight {t.name}": t.SerializeToString(deterministic=True) for t in model.graph.initializer}
    for i, node in enumerate(model.graph.node):
        found[f"node {i} ({node.op_type})"] = node.SerializeToString(deterministic=True)
    for value in (*model.graph.input, *model.graph.output):
        found[f"value {value.name}"] = value.SerializeToString(deterministic=True)
    found |= {f"opset {one.domain}": one.version for one in model.opset_import}
    texts = {one.key: one.value for one in model.metadata_props}
    return found | {f"text {key}": value for key, value in texts.items()}


def _exported(path: Path) -> Contents:
    from bakeoff.runtimes import torch_export

    module, text = torch_export.module(path)
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    found: Contents = {f"weight {name}": tensor.detach().cpu().numpy() for name, tensor in held.items()}
    found |= {f"text {key}": value for key, value in json.loads(text or "{}").items()}
    return {**found, "program": module.code}

"""One net in every format that `convert` writes, and what somebody may change in the files, each with its name.

An edit is made in place. What is said of it is the layer and the field, what stands there and what was expected.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.bundle import Bundle
from bakeoff.graph import Composer
from bakeoff.ops._dimension import Dim
from bakeoff.preprocessing import Signature

Edit = Callable[[Path], None]
OF = {"keras": "tensorflow", "onnx": "torch", "pt2": "torch", "pt": "torch", "safetensors": "torch", "bundle": "torch"}


def bundle() -> Bundle:
    """Batch norm, dropout, a slope, a frozen layer, names of classes, a licence."""
    net = Composer((Dim("batch"), 16, 16, 3), seed=0)
    x = net.add("conv2d", "conv", net.input, filters=4, kernel=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1))
    x = net.add("batch_norm", "bn", x, momentum=0.1, epsilon=1e-3, variance="biased")
    x = net.add("max_pool2d", "pool", net.add("leaky_relu", "act", x, slope=0.25), window=(2, 2), stride=(2, 2))
    x = net.add("dropout", "drop", net.add("global_avg_pool", "gap", x), rate=0.5)
    graph = net.finish(net.add("dense", "fc", x, units=3))
    frozen = {path: replace(one, trainable=not path.startswith("conv.")) for path, one in graph.parameters.items()}
    signature = Signature((16, 16), 3, mean=(0.5,) * 3, std=(0.25,) * 3)
    named = ("cat", "dog", "owl")
    return Bundle(replace(graph, parameters=frozen), signature, named, framework="torch", extra={"licence": "MIT"})


def members(path: Path, change: Callable[[str, bytes], bytes]) -> None:
    """Rewrite the members of a zip."""
    with zipfile.ZipFile(path) as archive:
        held = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(name, change(name, data))


def text(name: str, old: str, new: str) -> Edit:
    """One place of a text; in a zip's member, or in a file of a folder or beside it ("*": a suffix)."""

    def changed(data: str) -> str:
        assert old in data, (old, data[:4000])
        return data.replace(old, new, 1)

    def edit(path: Path) -> None:
        beside = path / name if path.is_dir() else path.parent / f"{path.name}{name}"
        if beside.is_file():
            beside.write_text(changed(beside.read_text("utf-8")), encoding="utf-8")
            return
        found = []

        def one(member: str, data: bytes) -> bytes:
            if not member.endswith(name):
                return data
            found.append(member)
            return changed(data.decode()).encode()

        members(path, one)
        assert found

    return edit


def layer(name: str, key: str, value: Any) -> Edit:
    """A setting of a layer in a `.keras` file."""

    def one(member: str, data: bytes) -> bytes:
        if member != "config.json":
            return data
        config = json.loads(data)
        (found,) = [each["config"] for each in config["config"]["layers"] if each["config"]["name"] == name]
        assert key in found
        found[key] = value
        return json.dumps(config).encode()

    return lambda path: members(path, one)


def hdf5(group: str, place: str) -> Edit:
    """A number in the weights of a `.keras` file, or of a page."""
    import h5py

    def changed(stream: Any) -> None:
        with h5py.File(stream, "r+") as file:
            data = file[f"layers/{group}/vars/{place}"]
            data[(0,) * data.ndim] += 0.125

    def one(member: str, data: bytes) -> bytes:
        if not member.endswith(".h5"):
            return data
        stream = io.BytesIO(data)
        changed(stream)
        return stream.getvalue()

    return lambda path: changed(path / "model.weights.h5") if path.is_dir() else members(path, one)


def onnx(change: Callable[[Any], None]) -> Edit:
    """Something in a ModelProto."""

    def edit(path: Path) -> None:
        import onnx

        model = onnx.load(str(path))
        change(model)
        onnx.save(model, str(path))

    return edit


def attribute(op: str, name: str, value: Any) -> Edit:
    """Of the first node of that kind."""

    def change(model: Any) -> None:
        node = next(node for node in model.graph.node if node.op_type == op)
        (found,) = [one for one in node.attribute if one.name == name]
        if isinstance(value, float):
            found.f = value
        else:
            found.ints[:] = value

    return onnx(change)


def _initializer(model: Any) -> None:
    from onnx import numpy_helper

    (found,) = [one for one in model.graph.initializer if one.name == "fc.kernel"]
    array = numpy_helper.to_array(found).copy()
    array.flat[0] += 0.125
    found.CopyFrom(numpy_helper.from_array(array, found.name))


def _function(model: Any) -> None:
    """A function of the model's own under the name of an operator: what calls it computes something else."""
    from onnx import helper

    body = [helper.make_node("Identity", ["x"], ["y"])]
    model.functions.append(helper.make_function("", "LeakyRelu", ["x"], ["y"], body, list(model.opset_import)))


def metadata(old: str, new: str) -> Edit:
    """What an ONNX file says about itself."""

    def change(model: Any) -> None:
        (found,) = model.metadata_props
        assert old in found.value
        found.value = found.value.replace(old, new, 1)

    return onnx(change)


def number(name: str, place: int = 3) -> Edit:
    """A byte of the numbers of a zip's member, or of a file."""

    def changed(data: bytes) -> bytes:
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    def edit(path: Path) -> None:
        if path.is_dir():
            (path / name).write_bytes(changed((path / name).read_bytes()))
        else:
            members(path, lambda member, data: changed(data) if member.endswith(name) else data)

    return edit


def arrays(change: Callable[[dict[str, Any]], None]) -> Edit:
    """The arrays of a `.safetensors` file, alone or in a bundle."""

    def edit(path: Path) -> None:
        from safetensors.numpy import load, save_file

        place = path / "weights.safetensors" if path.is_dir() else path
        held = load(place.read_bytes())
        change(held)
        save_file(held, str(place))

    return edit


def nudge(name: str) -> Edit:
    """A number of one of them."""

    def change(held: dict[str, Any]) -> None:
        held[name] = held[name].copy()
        held[name].flat[0] += np.float32(0.125)

    return arrays(change)


L2 = {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.01}, "registered_name": None}
BESIDE, INSIDE, JSON = ".bakeoff.json", "extra/bakeoff.json", "bundle.json"
TAMPERED: list[tuple[str, str, Edit, str]] = [
    ("keras", "momentum", layer("bn", "momentum", 0.5), "layer bn, field momentum: 0.5, expected 0.9"),
    ("keras", "epsilon", layer("bn", "epsilon", 0.002), "layer bn, field epsilon: 0.002, expected 0.001"),
    ("keras", "rate", layer("drop", "rate", 0.25), "layer drop, field rate: 0.25, expected 0.5"),
    ("keras", "frozen", layer("conv", "trainable", True), "layer conv, field trainable: True, expected False"),
    ("keras", "slope", layer("act", "negative_slope", 0.5), "layer act, field negative_slope: 0.5, expected 0.25"),
    ("keras", "activation", layer("fc", "activation", "relu"), "layer fc, field activation: 'relu', expected 'linear'"),
    ("keras", "regulariser", layer("fc", "kernel_regularizer", L2), "layer fc, field kernel_regularizer: {'L2'"),
    ("keras", "pool", layer("pool", "padding", "same"), "layer pool, field padding: 'same', expected 'valid'"),
    ("keras", "weight", hdf5("dense", "0"), "layer fc, field kernel: 1 of 12, as "),
    ("keras", "variance", hdf5("batch_normalization", "3"), "layer bn, field moving_variance: 1 of 4, as 1.125"),
    ("keras", "classes", text(BESIDE, '"dog"', '"cow"'), "classes[1]: 'cow', expected 'dog'"),
    ("keras", "mean", text(BESIDE, "[0.5", "[0.25"), "signature, field mean[0]: 0.25, expected 0.5"),
    ("keras", "resize", text(BESIDE, "bilinear", "bicubic"), "signature, field resize: 'bicubic', expected 'bilinear'"),
    ("keras", "licence", text(BESIDE, '"MIT"', '"Own"'), "licence: 'Own', expected 'MIT'"),
    (
        "onnx",
        "epsilon",
        attribute("BatchNormalization", "epsilon", 0.5),
        "layer bn, field BatchNormalization.epsilon: ",
    ),
    ("onnx", "slope", attribute("LeakyRelu", "alpha", 0.5), "layer act, field LeakyRelu.alpha: 0.5, expected 0.25"),
    ("onnx", "pads", attribute("Conv", "pads", [1, 1, 1, 2]), "layer conv, field Conv.pads[3]: 2, expected 1"),
    ("onnx", "weight", onnx(_initializer), "layer fc, field kernel: 1 of 12, as "),
    ("onnx", "function", onnx(_function), "model, field functions: "),
    ("onnx", "classes", metadata('"dog"', '"cow"'), "classes[1]: 'cow', expected 'dog'"),
    ("onnx", "deviation", metadata("0.25", "0.5"), "signature, field std[0]: 0.5, expected 0.25"),
    ("onnx", "licence", metadata("MIT", "Own"), "licence: 'Own', expected 'MIT'"),
    (
        "pt2",
        "epsilon",
        text("model.json", "0.001", "0.002"),
        "layer bn, field batch_norm.eps: '0.002', expected ",
    ),
    ("pt2", "slope", text("model.json", "0.25", "0.5"), "layer act, field leaky_relu.negative_slope: '0.5', expected "),
    ("pt2", "stride", text("model.json", "2,", "1,"), "layer conv, field conv2d.stride[0]: '1', expected '2'"),
    ("pt2", "weight", number("weight_0"), "layer conv, field weight: 1 of 108, as "),
    ("pt2", "variance", number("weight_7"), "layer bn, field running_var: 1 of 4, as "),
    ("pt2", "classes", text(INSIDE, '"dog"', '"cow"'), "classes[1]: 'cow', expected 'dog'"),
    ("pt2", "mean", text(INSIDE, "[0.5", "[0.25"), "signature, field mean[0]: 0.25, expected 0.5"),
    ("pt2", "licence", text(INSIDE, '"MIT"', '"Own"'), "licence: 'Own', expected 'MIT'"),
    ("pt", "weight", number("data/0"), "layer conv, field weight: 1 of 108, as "),
    ("pt", "variance", number("data/5"), "layer bn, field running_var: 1 of 4, as "),
    ("safetensors", "weight", nudge("fc.weight"), "layer fc, field weight: 1 of 12, as "),
    ("safetensors", "bias", nudge("fc.bias"), "layer fc, field bias: 1 of 3, as "),
    ("safetensors", "left out", arrays(lambda held: held.pop("fc.bias")), "layer fc, field bias: nothing, expected "),
    ("safetensors", "added", arrays(lambda held: held.update({"fc.more": held["fc.bias"]})), "layer fc, field more: "),
    ("bundle", "weight", nudge("fc.kernel"), "layer fc, field kernel: 1 of 12, as "),
    (
        "bundle",
        "momentum",
        text(JSON, '"momentum": 0.1', '"momentum": 0.2'),
        "layer bn, field momentum: 0.2, expected 0.1",
    ),
    (
        "bundle",
        "epsilon",
        text(JSON, '"epsilon": 0.001', '"epsilon": 0.002'),
        "layer bn, field epsilon: 0.002, expected ",
    ),
    (
        "bundle",
        "variance mode",
        text(JSON, '"biased"', '"unbiased"'),
        "layer bn, field variance: 'unbiased', expected ",
    ),
    ("bundle", "rate", text(JSON, '"rate": 0.5', '"rate": 0.4'), "layer drop, field rate: 0.4, expected 0.5"),
    ("bundle", "slope", text(JSON, '"slope": 0.25', '"slope": 0.5'), "layer act, field slope: 0.5, expected 0.25"),
    ("bundle", "frozen", text(JSON, '"trainable": false', '"trainable": true'), "layer conv, field "),
    ("bundle", "pool", text(JSON, '"op": "max_pool2d"', '"op": "avg_pool2d"'), "layer pool, field op: 'avg_pool2d'"),
    ("bundle", "classes", text(JSON, '"dog"', '"cow"'), "classes[1]: 'cow', expected 'dog'"),
    ("bundle", "resize", text(JSON, '"bilinear"', '"bicubic"'), "signature, field resize: 'bicubic', expected "),
    ("bundle", "licence", text(JSON, '"MIT"', '"Own"'), "licence: 'Own', expected 'MIT'"),
    ("bundle", "loss", text(JSON, '"softmax_cross_entropy"', '"multi_label_cross_entropy"'), "loss: 'multi_label"),
]

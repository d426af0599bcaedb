"""The reference set has the same bytes in the process of every framework, and in the framework's own tensors."""

import hashlib
import json
from typing import Any

import numpy as np
import pytest
import reference_set as reference

from bakeoff import frameworks
from bakeoff.preprocessing import prepare

WAYS = ("framework", "onnxruntime")


def through(framework: str, array: np.ndarray) -> np.ndarray:
    """A framework's tensor, and back."""
    frameworks.load(framework)
    if framework == "torch":
        import torch

        return torch.from_numpy(array.copy()).clone().numpy()
    if framework == "tensorflow":
        import tensorflow

        return np.asarray(tensorflow.identity(tensorflow.constant(array)))
    import jax

    return np.asarray(jax.device_put(array))


def onnx_identity() -> Any:
    import onnx
    import onnxruntime

    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "identity", value[:1], value[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("way", WAYS)
def test_the_same_bytes_in_every_worker(framework: str, way: str) -> None:
    stored = json.loads(reference.STORED.read_text("utf-8"))
    session = onnx_identity() if way == "onnxruntime" else None
    for name, data in reference.images().items():
        for key, signature in reference.SIGNATURES.items():
            array = prepare(data, signature)
            there = through(framework, array) if session is None else session.run(None, {"x": array})[0]
            assert there.dtype == np.uint8
            assert hashlib.sha256(there.tobytes()).hexdigest()[:32] == stored[name][key], (name, key)

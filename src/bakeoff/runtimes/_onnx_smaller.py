"""An ONNX model in fewer bits, by ONNX Runtime's own tools.

float16   weights are kept in 16 bits and cast as the file is loaded; what is computed stays float32
int8      QDQ: weights a scale per output channel, what passes between layers one per tensor, from the smallest and the
          largest number that calibration images give; the last product, few numbers that decide, stays float32
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from bakeoff.files import workspace
from bakeoff.schemas import Array

PRODUCTS = ("Gemm", "MatMul")


def to_float16(model: Any) -> Any:
    """The model with its kernels in float16, each behind a Cast."""
    from onnx import helper, numpy_helper

    kernels = [one for one in model.graph.initializer if len(one.dims) > 1 and one.data_type == 1]  # of float32
    casts = []
    for one in kernels:
        name = f"{one.name}:float16"
        casts.append(helper.make_node("Cast", [name], [one.name], name=f"{one.name}:Cast", to=1))
        one.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(one).astype(np.float16), name))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def scales(model: Any) -> dict[str, tuple[Array, Array]]:
    """(scale, zero point) of each value that a model quantizes as it is asked; none of one that computes in floats."""
    from onnx import numpy_helper

    held = {one.name: one for one in model.graph.initializer}
    rounded = [one.input for one in model.graph.node if one.op_type == "QuantizeLinear" and one.input[0] not in held]
    return {
        name: (numpy_helper.to_array(held[scale]), numpy_helper.to_array(held[zero]))
        for name, scale, zero in (one for one in rounded if len(one) == 3 and one[1] in held and one[2] in held)
    }


def to_int8(model: Any, images: Array, known: Mapping[str, tuple[Array, Array]] | None = None) -> Any:
    """The model with 8-bit weights and activations; the same one each time.

    Args:
        model: float32.
        images: normalised, of the training set, (N, H, W, C).
        known: `scales` of another model, for the values of the same name.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    name, says = model.graph.input[0].name, {one.key: one.value for one in model.metadata_props}

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = iter(images)

        def get_next(self) -> dict[str, Array] | None:
            image = next(self.rest, None)
            return None if image is None else {name: np.ascontiguousarray(image.transpose(2, 0, 1)[None])}

    with workspace("int8") as folder, _silent():
        prepared, quantized = (str(folder / name) for name in ("prepared.onnx", "quantized.onnx"))
        quant_pre_process(model, prepared, skip_symbolic_shape=True)
        nodes = onnx.load(prepared).graph.node
        values = {name for one in nodes for name in (*one.input, *one.output)}
        told = {n: [{"scale": s, "zero_point": z}] for n, (s, z) in (known or {}).items() if n in values}
        quantize_static(
            prepared,
            quantized,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[one.name for one in nodes if one.op_type in PRODUCTS][-1:],
            extra_options={"TensorQuantOverrides": told},
        )
        found = onnx.load(quantized)
    onnx.helper.set_model_props(found, says)
    found.producer_name, found.producer_version = model.producer_name, ""
    return found


@contextmanager
def _silent() -> Iterator[None]:
    """Its tools say by the log what is asked for here on purpose."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)

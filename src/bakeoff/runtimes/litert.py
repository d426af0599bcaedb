"""LiteRT's `.tflite`, input (N, H, W, C). What it says about itself is a zip archive behind the net, where TensorFlow
Lite's own metadata has its files, too.
"""

from __future__ import annotations

import threading
import warnings
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from bakeoff.errors import CorruptError, UnsupportedError
from bakeoff.files import growth, regular
from bakeoff.runtimes._allowed import hold, refuse
from bakeoff.runtimes._metadata import FILE, KEY
from bakeoff.runtimes._missing import library
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.schemas import Array

READS = "a .tflite file"
SUFFIX = ".tflite"
KIND = "litert"
MAGIC = b"TFL3"  # behind the first four bytes
CUSTOM = "CUSTOM"


def accepts(path: Path) -> bool:
    """Whether it is a file of this kind, by its name."""
    return path.suffix == SUFFIX and path.is_file()


def save(
    model: Any,
    path: Path,
    shape: tuple[int, int, int],
    text: str,
    outputs: Sequence[str] = ("logits",),
    precision: str = "float32",
    calibration: Array | None = None,
) -> None:
    """Write a Keras model (on TensorFlow) that takes (N, H, W, C).

    Args:
        model: the Keras model.
        path: of the file.
        shape: (height, width, channels).
        text: what the file says about itself.
        outputs: their names; a file has them in this order, which is that of the alphabet.
        precision: float16 is that of the weights in the file; int8 of all but input and output.
        calibration: for int8: normalised images, (N, H, W, C).
    """
    tf = library("tensorflow", "tensorflow", "export to LiteRT")

    def serve(input: Any) -> Any:
        found = model(input, training=False)
        return dict(zip(outputs, found if isinstance(found, list) else [found], strict=True))

    spec = tf.TensorSpec((None, *shape), tf.float32, name="input")
    traced = tf.function(serve, input_signature=[spec]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], model)
    converter.experimental_lower_to_saved_model = False  # or its weights stay variables
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if calibration is not None:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: ([one[None]] for one in calibration)
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as beside:
        beside.writestr(zipfile.ZipInfo(FILE), text)  # of 1980
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # that statistics of the input are missing, which are only wanted for int8 there
        try:
            made = converter.convert()
        except Exception as error:  # a hundred lines, and one that tells
            lines = [line.partition("error: ")[2] for line in str(error).splitlines()]
            why = next(filter(None, lines), type(error).__name__)
            raise UnsupportedError(
                f"LiteRT: TensorFlow can't convert this net ({why[:200]}). Use --to onnx."
            ) from error
        path.write_bytes(made + archive.getvalue())


def ready() -> None:
    """Import what reads it.

    Raises:
        MissingDependencyError: that is not installed.
    """
    _library()


def load(path: Path, threads: int | None = None, trust: bool = False) -> FunctionRuntime:
    """The net as a runtime, an image a call.

    Args:
        path: the file.
        threads: inside an operator.
        trust: load it whatever it is made of.

    Raises:
        MissingDependencyError: LiteRT is not installed.
        CorruptError: the file is damaged, or made of more than what classifiers need.
    """
    lite = _library()
    with regular(path) as file:
        data = file.read()
    _refuse_hostile(data, path, trust)
    try:
        net = lite.Interpreter(model_content=data, num_threads=threads or None)
        net.allocate_tensors()
        (given,), outs = net.get_input_details(), net.get_output_details()
        if len(outs) > 2:
            raise ValueError(f"it has {len(outs)} outputs")
    except (ValueError, RuntimeError, TypeError) as error:
        said = " ".join(str(error).split())[:200]
        raise CorruptError(f"{path}: LiteRT can't load it ({said}). Export it anew.") from None
    alone = threading.Lock()  # an interpreter has one place for its numbers

    def values(images: Array) -> list[Array]:
        with alone:
            net.set_tensor(given["index"], images)
            net.invoke()
            return [net.get_tensor(out["index"]) for out in outs]

    return FunctionRuntime("litert", values, {KEY: _text(data, path)}, step=1)


def _library() -> Any:
    return library("ai_edge_litert.interpreter", "litert", "a .tflite file")


def _refuse_hostile(data: bytes, path: Path, trust: bool) -> None:
    """Look through the operators of every subgraph, and for numbers that lie elsewhere."""
    schema = library("ai_edge_litert.schema_py_generated", "litert", "a .tflite file")
    try:
        if data[4:8] != MAGIC:
            raise ValueError("another beginning")
        net = schema.Model.GetRootAs(data, 0)
        names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
        codes = [net.OperatorCodes(place) for place in range(net.OperatorCodesLength())]
        numbers = [max(one.BuiltinCode(), one.DeprecatedBuiltinCode()) for one in codes]
        found = [names.get(number, f"operator {number}") for number in numbers]
        own = [one.CustomCode() for one in codes]
        outside = [net.Buffers(place).Offset() for place in range(net.BuffersLength())]
    except Exception as error:  # of flatbuffers, at any byte
        raise CorruptError(f"{path}: not a .tflite file, or damaged ({str(error)[:80]}). Export it anew.") from None
    if net.ExternalBuffersLength() or net.ExternalBufferGroupsLength() or any(one > len(data) for one in outside):
        raise CorruptError(f"{path}: some of its numbers lie in another file, which is not followed. Export it anew.")
    if not trust:
        refuse(path, [f"the custom operator {(name or b'').decode(errors='replace')}" for name in own if name])
        hold(path, KIND, found)


def _text(data: bytes, path: Path) -> str:
    """What a file says about itself; nothing where there is no archive."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            if archive.getinfo(FILE).file_size > growth(path):
                raise CorruptError(f"{path}: its {FILE} grows a hundredfold: a bomb. Export it anew.")
            return archive.read(FILE).decode()
    except (KeyError, zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, RuntimeError):
        return ""

"""OpenVINO's IR: NAME.xml and NAME.bin, input (N, C, H, W).

Left alone, OpenVINO computes in bfloat16 where the processor can: EfficientNet-lite0's logits were off by 0.07 of 15.
What a file says of its precision (`rt_info`, `runtime_options`, `INFERENCE_PRECISION_HINT`) it doesn't follow by itself
either, so that whoever compiles such a file has to hand that on, as is done here.

A file is looked through before OpenVINO sees it, and what it gets is what was looked at.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.errors import CorruptError
from bakeoff.files import MOST_TEXT, content, regular
from bakeoff.runtimes._allowed import hold
from bakeoff.runtimes._metadata import KEY, SIMILARITY
from bakeoff.runtimes._missing import library
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.schemas import Array

READS = "an OpenVINO .xml file"
SUFFIX, WEIGHTS = ".xml", ".bin"
KIND = "openvino"
HINT = "INFERENCE_PRECISION_HINT"
OPTIONS = ["runtime_options", HINT]
HINTS = {"float32": "f32", "float16": "f32", "bfloat16": "bf16", "int8": "f32"}  # what isn't int8 is float32
OPSET = re.compile(r"opset\d+")
STEP = 8


def accepts(path: Path) -> bool:
    """Whether it is a file of this kind, by its name and the one beside it."""
    return path.suffix == SUFFIX and path.is_file() and path.with_suffix(WEIGHTS).is_file()


def save(model: bytes, path: Path, text: str, precision: str = "float32") -> None:
    """Write an ONNX model as an IR.

    Args:
        model: float32, or with 8-bit weights and activations.
        path: of the `.xml`.
        text: what the file says about itself.
        precision: of HINTS: float16 is that of the weights in the file, bfloat16 what is computed in.
    """
    ov = library("openvino", "openvino", "export to OpenVINO")
    net = ov.Core().read_model(model)
    net.set_rt_info(text, [KEY])
    net.set_rt_info(HINTS[precision], OPTIONS)
    ov.save_model(net, str(path), compress_to_fp16=precision == "float16")


def ready() -> None:
    """Import what reads it.

    Raises:
        MissingDependencyError: that is not installed.
    """
    library("openvino", "openvino", "an OpenVINO .xml file")


def load(path: Path, threads: int | None = None, trust: bool = False) -> FunctionRuntime:
    """The net as a runtime, in the precision that its file states.

    Args:
        path: the `.xml`.
        threads: inside an operator.
        trust: load it whatever it is made of.

    Raises:
        MissingDependencyError: OpenVINO is not installed.
        CorruptError: the files are damaged, or made of more than what classifiers need.
    """
    ov = library("openvino", "openvino", "an OpenVINO .xml file")
    text = content(path)
    says, hint = _looked_through(text, path, trust)
    with regular(path.with_suffix(WEIGHTS)) as file:
        weights = np.frombuffer(file.read(), np.uint8)
    config: dict[str, Any] = {HINT: hint, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    if threads:
        config["INFERENCE_NUM_THREADS"] = threads
    try:
        core = ov.Core()
        compiled = core.compile_model(core.read_model(text, ov.Tensor(weights)), "CPU", config)
        first, *more = compiled.outputs
        if more and [SIMILARITY in one.get_names() for one in compiled.outputs] != [False, True]:
            raise ValueError(f"it has {1 + len(more)} outputs")
    except Exception as error:  # of OpenVINO's parsers
        said = " ".join(str(error).split())[:200]
        raise CorruptError(f"{path}: OpenVINO can't load it ({said}). Export it anew.") from None
    request = compiled.create_infer_request()

    def values(images: Array) -> list[Array]:
        found = request.infer({0: np.ascontiguousarray(images.transpose(0, 3, 1, 2))})
        return [found[out].copy() for out in (first, *more)]

    return FunctionRuntime("openvino", values, {KEY: says}, STEP)


def _looked_through(text: bytes, path: Path, trust: bool) -> tuple[str, str]:
    """What a file says about itself, and its precision.

    Raises:
        CorruptError: it is no such XML, or made of more than what classifiers need.
    """
    try:
        if b"<!" in text or len(text) > MOST_TEXT:
            raise ValueError("it declares entities")
        net = ElementTree.fromstring(text)
        layers = [(one.get("type", ""), one.get("version", "")) for one in net.iter("layer")]
        said = net.find(f"rt_info/{KEY}")
        hint = net.find("rt_info/" + "/".join(OPTIONS))
    except (ElementTree.ParseError, ValueError) as error:
        raise CorruptError(f"{path}: not an OpenVINO file, or damaged ({error}). Export it anew.") from None
    if not trust:
        hold(path, KIND, (kind if OPSET.fullmatch(of) else f"{of}.{kind}" for kind, of in layers))
    stated = "f32" if hint is None else hint.get("value", "")
    if stated not in HINTS.values():
        raise CorruptError(f"{path}: its precision is {stated[:20]!r}; expected f32 or bf16. Export it anew.")
    return ("" if said is None else said.get("value", "")), stated

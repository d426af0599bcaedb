"""LiteRT and OpenVINO files of others: held to lists of operators, and to themselves, before a library sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bakeoff import models
from bakeoff.bundle import Bundle
from bakeoff.errors import BakeoffError, CorruptError
from bakeoff.exports.formats import openvino as written
from bakeoff.graph import run
from bakeoff.preprocessing import Signature
from bakeoff.runtimes import litert, open_file, openvino

openvino_library = pytest.importorskip("openvino")
lite_library = pytest.importorskip("ai_edge_litert")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle(models.build("mnist_cnn", (12, 12), 1, 3), Signature((12, 12), 1), ("a", "b", "c"))


@pytest.fixture
def net(bundle: Bundle, tmp_path: Path) -> Path:
    return written.write(bundle, tmp_path / "net.xml")


def test_openvino_computes_what_the_graph_does_in_float32(bundle: Bundle, net: Path) -> None:
    images = np.random.default_rng(0).normal(size=(3, 12, 12, 1)).astype(np.float32)
    opened, truth = open_file(net, threads=1), run(bundle.graph, images)
    assert (opened.classes, opened.runtime.name) == (("a", "b", "c"), "openvino")
    assert np.abs(opened.runtime.predict(images) - truth).max() <= 1e-5 * np.abs(truth).max()


CHANGES: dict[str, tuple[Callable[[str], str], str]] = {
    "a loop": (lambda text: text.replace('type="Convolution"', 'type="Loop"'), "it holds Loop"),
    "another set of operators": (lambda text: text.replace('version="opset1"', 'version="extension"'), "extension"),
    "entities": (lambda text: text.replace("<net", '<!DOCTYPE a [<!ENTITY b "c">]><net', 1), "entities"),
    "half a file": (lambda text: text[: len(text) // 2], "damaged"),
    "another precision": (lambda text: text.replace('value="f32"', 'value="dynamic"'), "its precision"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_hostile_xml_is_refused_unread(change: str, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alter, said = CHANGES[change]
    text = net.read_text(encoding="utf-8")
    assert alter(text) != text
    net.write_text(alter(text), encoding="utf-8")
    monkeypatch.setattr(openvino_library, "Core", lambda: pytest.fail("OpenVINO saw it"))
    with pytest.raises(CorruptError, match=said):
        openvino.load(net)


def test_an_xml_without_its_weights_or_with_others_is_named(net: Path) -> None:
    weights = net.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:40])
    with pytest.raises(CorruptError, match="can't load it"):
        openvino.load(net)
    weights.unlink()
    assert not openvino.accepts(net)


def lite(operator: int, custom: bytes = b"") -> bytes:
    """A file that names one operator and has no subgraph."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    code = schema.OperatorCodeT()
    code.builtinCode, code.customCode = operator, custom or None
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [], [schema.BufferT()]
    builder = flatbuffers.Builder(64)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: lite(119), "it holds WHILE"),
        (lambda: lite(129), "it holds CALL_ONCE"),
        (lambda: lite(32, b"FlexReadFile"), "the custom operator FlexReadFile"),
        (lambda: lite(9999), "operator 9999"),
        (lambda: b"hello", "not a .tflite file"),
        (lambda: lite(0)[:9] + b"\xff" * 40, "not a .tflite file"),
    ],
)
def test_hostile_tflite_files_are_refused_unread(
    content: Callable[[], bytes], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ai_edge_litert import interpreter

    (tmp_path / "x.tflite").write_bytes(content())
    monkeypatch.setattr(interpreter, "Interpreter", lambda **given: pytest.fail("LiteRT saw it"))
    with pytest.raises(CorruptError, match=said):
        litert.load(tmp_path / "x.tflite")


def test_a_damaged_tflite_file_never_ends_the_process(tmp_path: Path) -> None:
    """What passes the look through is LiteRT's to refuse."""
    whole = lite(0)
    for place in range(0, len(whole), 3):
        (tmp_path / "x.tflite").write_bytes(whole[:place] + b"\x7f" + whole[place + 1 :])
        with pytest.raises(BakeoffError):
            open_file(tmp_path / "x.tflite")

"""The gate stops what answers otherwise than its source, names the first stage that differs, and leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff import bundle as bundles
from bakeoff import models
from bakeoff.bundle import Bundle, write
from bakeoff.data import read_data
from bakeoff.errors import DataError, MissingDependencyError, ParityError, UsageError
from bakeoff.exports import _answers, _golden, _held_out, _in_numpy, export, export_checked, gate
from bakeoff.exports._text import exported as whole
from bakeoff.exports._text import text as says
from bakeoff.exports.formats import onnx
from bakeoff.graph.graph import Graph
from bakeoff.graph.passes import append
from bakeoff.preprocessing import Signature, decode, normalize, prepare
from bakeoff.runtimes import Opened, _onnx_smaller, onnxruntime
from bakeoff.schemas import Check

CLASSES = ("cat", "dog", "emu")


def made(seed: int = 0, **changed: Any) -> Bundle:
    """A small net with its images: cut out of the middle after a resize to 27, so that three columns are left over."""
    draw = np.random.default_rng(seed)
    graph = models.build("mnist_cnn", (24, 24), 3, 3)
    moved = {path: one + 0.2 * draw.normal(size=one.shape).astype(np.float32) for path, one in graph.arrays().items()}
    about = {"fit": "crop", "resize": "bicubic", "resize_to": 27, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
    return Bundle(graph.with_arrays(moved), Signature((24, 24), **{**about, **changed}), CLASSES)  # type: ignore[arg-type]


def other(bundle: Bundle, **changed: Any) -> Bundle:
    return replace(bundle, signature=replace(bundle.signature, **changed))


def softmaxed(bundle: Bundle) -> Graph:
    graph = append(bundle.graph, "softmax", "again", bundle.graph.output)
    return replace(graph, outputs={"logits": replace(bundle.graph.output, node="again")})


SAID: dict[str, tuple[Callable[[Bundle], Bundle], str]] = {
    "wrong mean": (lambda b: other(b, mean=(0.5, 0.5, 0.6)), "normalised input"),
    "BGR": (lambda b: other(b, channel_order="BGR"), "normalised input"),
    "class order": (lambda b: replace(b, classes=("dog", "cat", "emu")), "labels"),
    "labels of another model": (lambda b: replace(b, classes=("oak", "ash", "elm")), "labels"),
    "antialias off": (lambda b: other(b, resize="nearest"), "prepared pixels"),
    "crop off by one": (lambda b: other(b, half="down"), "prepared pixels"),
}
NETS: dict[str, Callable[[Bundle], Graph]] = {
    "stale weights": lambda b: made(seed=1).graph,
    "softmax twice": softmaxed,
}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return made()


def stopped(bundle: Bundle, place: Path, stage: str, to: str = "onnx") -> None:
    """The gate names the stage; what was there before is whole, and beside it lies the report alone."""
    place.write_bytes(b"before")
    with pytest.raises(ParityError, match=rf"not written(.|\n)*First difference: {stage} \("):
        export(bundle, to, place, force=True)
    assert place.read_bytes() == b"before"
    assert sorted(one.name for one in place.parent.iterdir()) == [place.name, f"{place.name}.gate.json"]
    report = json.loads(place.with_name(f"{place.name}.gate.json").read_text(encoding="utf-8"))
    assert (report["passed"], report["first_difference"]) == (False, stage)


@pytest.mark.parametrize("fault", SAID)
def test_what_a_file_says_wrongly_is_stopped(
    fault: str, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, stage = SAID[fault]
    monkeypatch.setattr(onnx, "text", lambda b: says(change(b)))
    stopped(bundle, tmp_path / "net.onnx", stage)


@pytest.mark.parametrize("fault", NETS)
def test_another_net_is_stopped(fault: str, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "exported", NETS[fault])
    stopped(bundle, tmp_path / "net.onnx", "logits")


def test_bfloat16_left_on_is_stopped(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    from bakeoff.runtimes import openvino

    if "BF16" not in str(__import__("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")):
        pytest.skip("this processor computes no bfloat16")
    monkeypatch.setitem(openvino.HINTS, "float32", "bf16")
    stopped(bundle, tmp_path / "net.xml", "logits", "openvino")


class ByBytes:
    """An artefact that takes files, as one with its decoder inside; its faults are in what it does before the net."""

    def __init__(self, bundle: Bundle, pixels: Callable[[bytes], Any]) -> None:
        self.bundle, self.net, self.pixels = bundle, onnxruntime.from_graph(bundle.graph), pixels
        self.predict = self.net.predict

    def from_bytes(self, contents: list[bytes]) -> tuple[Any, Any, list[str], Any]:
        images = np.stack([prepare(self.pixels(one), self.bundle.signature) for one in contents])
        logits = self.predict(normalize(images, self.bundle.signature))
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return logits, shares / shares.sum(1, keepdims=True), [CLASSES[one] for one in logits.argmax(1)], np.zeros(0)


def first_by_bytes(bundle: Bundle, pixels: Callable[[bytes], Any]) -> str | None:
    opened = Opened(ByBytes(bundle, pixels), bundle.signature, CLASSES, bundle.loss, Path("it"))  # type: ignore[arg-type]
    golden = gate.golden_of(bundle)
    found = gate.deployed.first(gate.stages(golden, _answers.answers(opened, list(golden.files.values()))))
    return found.name if found else None


def unturned(content: bytes) -> Any:
    from io import BytesIO

    from PIL import Image

    image = Image.open(BytesIO(content))
    return image.convert("RGB") if image.getexif().get(0x0112, 1) != 1 else decode(content)


def test_of_a_file_that_takes_bytes_the_stage_is_found_by_what_it_gets_wrong(bundle: Bundle) -> None:
    def coarse(content: bytes) -> Any:
        image = decode(content)
        return image if min(image.size) == 27 else image.resize((27, 27), 0)

    def shifted(content: bytes) -> Any:
        image = decode(content)
        return image.transform(image.size, 0, (1, 0, 1, 0, 1, 0))

    assert first_by_bytes(bundle, decode) is None
    assert first_by_bytes(bundle, shifted) == "prepared pixels"  # the cut is off by one
    assert first_by_bytes(bundle, unturned) == "decoded pixels"  # EXIF ignored
    assert first_by_bytes(bundle, coarse) == "prepared pixels"  # no antialiasing
    assert first_by_bytes(bundle, lambda content: decode(content).point(lambda v: v // 2)) == "normalised input"


def test_golden_pictures_travel_and_are_small(bundle: Bundle, tmp_path: Path) -> None:
    path = export(bundle, "onnx", tmp_path / "net.onnx")
    beside = _golden.beside(path)
    assert beside.stat().st_size <= _golden.MOST
    found = gate.verify(path)
    assert found.passed
    kinds = {name.partition("-")[2] for name in gate.Golden.load(beside).files}
    assert {"turned", "cmyk", "grey", "alpha", "large", "small"} <= kinds
    again = export(bundle, "onnx", tmp_path / "again.onnx")
    assert _golden.beside(again).read_bytes() == beside.read_bytes()
    path.write_bytes(export(made(seed=1), "onnx", tmp_path / "other.onnx").read_bytes())
    assert gate.verify(path).first.name == "logits"  # type: ignore[union-attr]
    path.write_bytes(b"no net")
    assert gate.verify(path).first.name == gate.RAN  # type: ignore[union-attr]
    beside.write_bytes(beside.read_bytes()[:500])
    with pytest.raises(BaseException, match="Export it anew"):
        gate.verify(path)
    beside.unlink()
    with pytest.raises(DataError, match="no golden pictures"):
        gate.verify(path)
    with pytest.raises(DataError, match="a run, not what was exported"):
        gate.verify(write(tmp_path / "run", bundle))


def test_golden_pictures_of_large_nets_are_small_too() -> None:
    for size in ((28, 28), (224, 224), (600, 600)):
        found = _golden.pictures(Signature(size, resize_to=max(size) + 32, fit="crop", scaled_decode=True))
        assert sum(map(len, found.values())) <= _golden.MOST
        assert len(found) > 7


def test_a_missing_library_is_said_and_not_passed(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(self: Any, contents: Any, **more: Any) -> Any:
        raise MissingDependencyError("onnxruntime", "", "prediction")

    monkeypatch.setattr(gate.Asked, "answers", ask)
    with pytest.raises(MissingDependencyError, match="--unchecked"):
        export(bundle, "onnx", tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
    found = export_checked(bundle, "onnx", tmp_path / "net.onnx", unchecked=True)
    assert found.gate.to_json()["passed"] is None
    assert "onnxruntime is not installed" in found.gate.note


def test_precisions_are_those_of_the_format(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--precision 'int9'.*expected float32, float16, bfloat16 or int8"):
        export(bundle, "onnx", tmp_path, precision="int9")
    with pytest.raises(UsageError, match=r"the format 'bundle' has float32"):
        export(bundle, "bundle", tmp_path / "b", precision="float16")
    with pytest.raises(UsageError, match="needs training images"):
        export(bundle, "onnx", tmp_path, precision="int8")
    with pytest.raises(UsageError, match="--max-loss"):
        export(bundle, "onnx", tmp_path, max_loss=-1)


def test_float16_is_half_as_large_and_within_its_rounding(bundle: Bundle, tmp_path: Path) -> None:
    full = export(bundle, "onnx", tmp_path / "net.onnx")
    half = export_checked(bundle, "onnx", tmp_path / "half.onnx", precision="float16")
    assert half.path.stat().st_size < full.stat().st_size - 1000  # of 4,669 bytes
    (net,) = (one for one in half.gate.checks if one.name == "logits")
    assert 1e-5 < net.difference <= net.tolerance < 0.1


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Images of three colours with noise, split by their content."""
    from PIL import Image

    root, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(3)
    for place, name in enumerate(CLASSES):
        (root / name).mkdir()
        for number in range(40):
            pixels = draw.integers(0, 120, (30, 34, 3), dtype=np.uint8)
            pixels[..., place] += 100
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return read_data(root, split=(0.4, 0.4, 0.2), seed=0)


def scaled(model: Any, images: Any) -> Any:
    """int8 with the scales of one kernel eight times too large."""
    from onnx import numpy_helper

    found = _onnx_smaller.to_int8(model, images)
    (scale, *_) = (one for one in found.graph.initializer if one.name.endswith("_scale") and one.dims)
    scale.CopyFrom(numpy_helper.from_array(8 * numpy_helper.to_array(scale), scale.name))
    return found


def test_int8_is_the_same_each_time_and_held_to_its_labels(
    bundle: Bundle, photos: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, golden = _held_out.calibration(photos, "", bundle), gate.golden_of(bundle, "int8")
    written = [onnx.write(bundle, tmp_path / f"{n}.onnx", "int8", images).read_bytes() for n in range(2)]
    assert written[0] == written[1]
    asked = {"bundle": bundle, "data": photos}
    fine = gate.check(tmp_path / "0.onnx", golden, **asked, max_loss=25)
    assert fine.passed, fine
    assert fine.judged["num"] == len(photos.splits["validation"])
    assert set(fine.splits) == {"validation", "test"}
    few = gate.check(tmp_path / "0.onnx", golden, **asked, max_loss=0.1)  # what so few images can't rule out
    assert (few.first.name, few.first.decided) == ("accuracy.validation", False)  # type: ignore[union-attr]
    assert few.first.detail.startswith("too few images to tell 0.1 points; ")  # type: ignore[union-attr]
    monkeypatch.setattr(_held_out, "data_of", lambda *given: (photos, ""))
    with pytest.raises(ParityError, match=r"nothing would show that .* too few images to tell 0\.1 points"):
        export(bundle, "onnx", tmp_path / "few.onnx", precision="int8", max_loss=0.1)
    none = gate.check(tmp_path / "0.onnx", golden, bundle=bundle)
    assert (none.passed, none.first.decided) == (False, False)  # type: ignore[union-attr]


def test_an_accuracy_is_decided_where_a_loss_is_shown_or_the_images_would_do() -> None:
    right = np.arange(23) > 0
    lost = gate._told(Check("accuracy.validation", 0.4, 0.02, False), right, high=-0.1)
    assert lost.decided
    assert gate._told(Check("accuracy.validation", 0.4, 0.3, False), right, high=0.1).decided
    few = gate._told(Check("accuracy.validation", 0.1431, 0.02, False, "of 23 images"), right, high=0.1)
    assert not few.decided
    assert few.detail == "too few images to tell 2 points; more of them would, or --max-loss 15; of 23 images"


def test_no_two_checks_have_one_name(bundle: Bundle, photos: Any, tmp_path: Path) -> None:
    path = export(bundle, "onnx", tmp_path / "net.onnx")
    found = gate.check(path, gate.golden_of(bundle, "float32"), bundle=bundle, data=photos)
    names = [one.name for one in found.checks]
    assert len(set(names)) == len(names), names


def test_a_wrong_scale_of_int8_is_stopped(bundle: Bundle, photos: Any, tmp_path: Path) -> None:
    model = scaled(onnx.made(bundle), _held_out.calibration(photos, "", bundle))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    found = gate.check(tmp_path / "net.onnx", gate.golden_of(bundle, "int8"), bundle=bundle, data=photos, max_loss=25)
    assert found.first.name == "logits"  # type: ignore[union-attr]


def test_a_bundle_is_an_artefact(bundle: Bundle, tmp_path: Path) -> None:
    path = export(bundle, "bundle", tmp_path / "alone")
    assert bundles.read(path).classes == CLASSES
    assert gate.verify(path).passed
    assert whole(bundle) is bundle.graph


def test_several_labels_and_two_classes_pass_and_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    several = replace(made(), loss="multi_label_cross_entropy", threshold=0.3)
    found = export_checked(several, "onnx", tmp_path / "several.onnx")
    assert "logits" not in {one.name for one in found.gate.checks}  # it gives probabilities
    assert export_checked(several, "bundle", tmp_path / "b").gate.passed
    graph = models.build("mnist_cnn", (24, 24), 3, 1)
    two = replace(made(), graph=graph, classes=("cat", "dog"), loss="binary_cross_entropy")
    assert export_checked(two, "onnx", tmp_path / "two.onnx").gate.passed
    monkeypatch.setattr(onnx, "text", lambda b: says(replace(b, threshold=0.9)))
    (tmp_path / "x").mkdir()
    stopped(several, tmp_path / "x" / "several.onnx", "labels")


def test_formats_are_measured_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bakeoff.exports import measured

    bundles.write(tmp_path / "bundle", made())
    monkeypatch.setattr(measured, "names", lambda: ("bundle", "onnx"))
    found = measured.measure(tmp_path / "bundle")
    rows = {(row["format"], row["precision"]): row for row in found["rows"]}
    assert list(rows) == [("bundle", "float32"), ("onnx", "float32"), ("onnx", "float16"), ("onnx", "int8")]
    assert "needs training images" in rows["onnx", "int8"]["error"]
    assert found["best"]["smallest"] == "onnx float16"
    for row in (rows["bundle", "float32"], rows["onnx", "float16"]):
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["accuracy"] is None  # it doesn't say what it was trained on
    assert rows["onnx", "float16"]["difference"] > rows["onnx", "float32"]["difference"]
    measured.draw(found, tmp_path / "plot.png")
    with pytest.raises(UsageError, match="no image format"):
        measured.draw(found, tmp_path / "plot.txt")


@pytest.mark.parametrize(("licence", "warned"), [("CC BY-NC 4.0", True), ("not stated", True), ("Apache-2.0", False)])
def test_what_a_licence_forbids_is_said(
    licence: str, warned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from bakeoff.cli import main

    bundles.write(tmp_path / "b", replace(made(), extra={"licence": licence}))
    assert main(["export", str(tmp_path / "b"), "--to", "onnx", "-o", str(tmp_path / "x.onnx"), "--json"]) == 0
    shown = capsys.readouterr()
    value = json.loads(shown.out)
    assert (f"licence of the weights it started from: {licence}" in shown.err) == warned
    assert (value["licence"], value["gate"]["passed"], value["bytes"]) == (licence, True, value["size_bytes"])
    assert main(["export", str(tmp_path / "x.onnx"), "--verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gate"]["passed"]
    (tmp_path / "x.onnx").write_bytes(b"another")
    assert main(["export", str(tmp_path / "x.onnx"), "--verify"]) == ParityError.exit_code


def test_what_few_images_can_not_tell_is_said_before_the_work(
    bundle: Bundle, photos: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_held_out, "data_of", lambda *given: (photos, ""))
    monkeypatch.setattr(onnx, "write", lambda *given, **more: pytest.fail("it was written"))
    with pytest.raises(
        ParityError, match=r"too few images to tell 2 points; more of them would, or --max-loss \d+;"
    ) as said:
        export(bundle, "onnx", tmp_path / "net.onnx", precision="int8")
    assert list(tmp_path.iterdir()) == []
    enough = int(str(said.value).split("--max-loss ")[1].split(";")[0])
    assert gate.too_few(bundle, photos, enough) == ""
    assert gate.too_few(bundle, photos, enough - 1) != ""


def test_each_precision_has_a_name_of_its_own(bundle: Bundle, tmp_path: Path) -> None:
    found = [export(bundle, "onnx", tmp_path, precision=one).name for one in ("float32", "float16")]
    assert found == ["model.onnx", "model-float16.onnx"]


@pytest.mark.parametrize(("precision", "stages"), [("float32", 3), ("float16", 4)])
def test_as_many_stages_as_were_announced(
    precision: str, stages: int, bundle: Bundle, photos: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_held_out, "data_of", lambda *given: (photos, ""))
    heard: list[int] = []
    path = tmp_path / "net.onnx"
    export(bundle, "onnx", path, precision=precision, max_loss=100, say=lambda text, of: heard.append(of))
    assert heard == [stages] * stages
    heard.clear()
    gate.verify(path, say=lambda text, of: heard.append(of))
    assert heard == [1]


def test_long_sums_may_be_taken_one_term_after_the_other() -> None:
    """As LiteRT does it; a fault of a few times their rounding is still found."""
    graph = models.build("dense_64", (112, 112), 3, 2)  # 37,632 terms
    wide = Bundle(graph, Signature((112, 112)), ("ash", "oak"))
    golden = gate.golden_of(wide)
    one_by_one = _in_numpy.in_turn(graph)
    images = np.stack([prepare(one, wide.signature) for one in golden.files.values()])
    found = one_by_one.predict(normalize(images, wide.signature))
    blas = onnxruntime.from_graph(graph).predict(normalize(images, wide.signature))
    worse, better = (golden.logits(one) for one in (found, blas))
    assert better.difference < worse.difference
    assert worse.passed
    assert worse.tolerance == max(1e-5, 4 * worse.difference)
    assert not golden.logits(found + 5 * worse.tolerance * np.abs(found).max()).passed
    assert not _in_numpy.long_sums(made().graph)

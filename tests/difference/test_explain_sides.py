"""Every kind of side that needs no framework: runs, exports, dumps, functions, figures; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import planted
import pytest

import bakeoff
from bakeoff import bundle as bundles
from bakeoff.bundle import Bundle
from bakeoff.cli import main
from bakeoff.difference.worlds import Predicting
from bakeoff.errors import BakeoffError, DataError, UsageError
from bakeoff.exports.formats import onnx
from bakeoff.serving import client

A = planted.account(seed=2)
PRE = """
import numpy as np
from PIL import Image

def load(path):
    image = Image.open(path).convert("RGB").resize((48, 48), Image.BICUBIC)
    return np.asarray(image, np.float32)[..., ::-1].transpose(2, 0, 1)[None] / 127.5 - 1

def flat(path):
    return np.zeros(7)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`a` and `b`, two bundles that differ in epsilon; photos in folders named by their class; a function."""
    root = tmp_path_factory.mktemp("explain")
    assert A.graph is not None
    made = Bundle(A.graph, planted.SIGNATURE, planted.CLASSES, framework="torch")
    bundles.write(root / "a", made)
    other = A.switched({"net.batch_norm.epsilon": 1e-3}).graph
    assert other is not None
    bundles.write(root / "b", replace(made, graph=other))
    pictures = planted.pictures()
    labels = Predicting(pictures.content, None, None).outcome(A).argmax(1)  # so that A is always right
    for content, name, label in zip(pictures.content, pictures.names, labels, strict=True):
        (root / "photos" / planted.CLASSES[label]).mkdir(parents=True, exist_ok=True)
        (root / "photos" / planted.CLASSES[label] / name).write_bytes(content)
    (root / "pre.py").write_text(PRE, encoding="utf-8")
    return root


def causes(found: Any) -> list[str]:
    return [one["cause"] for one in found.causes]


def in_order(place: Path) -> tuple[bytes, ...]:
    """The photos as `explain` goes through them."""
    return tuple(path.read_bytes() for path in sorted(place.glob("photos/*/*.jpg")))


def test_two_bundles(place: Path) -> None:
    found = bakeoff.explain(place / "a", place / "b", place / "photos", quiet=True)
    assert causes(found) == ["epsilon"]
    row = found.causes[0]
    assert row["place"] == "stem.bn"
    assert (row["a"], row["b"]) == ("1e-05", "0.001")
    assert row["effect_accuracy"] <= 0
    assert row["effect_logits_interval"][0] <= row["effect_logits"] <= row["effect_logits_interval"][1]
    states = {one["stage"]: one["state"] for one in found.result["stages"]}
    assert states["normalise"] == "equal"
    assert states["net"] == "differs"
    assert "epsilon" in repr(found)
    assert "<dl>" in found._repr_html_()


def test_an_export_of_the_same(place: Path, tmp_path: Path) -> None:
    bakeoff.load(place / "a").to_onnx(tmp_path / "a.onnx")
    found = bakeoff.explain(place / "a", tmp_path / "a.onnx", place / "photos", quiet=True)
    assert found.causes == []
    bakeoff.load(place / "b").to_onnx(tmp_path / "b.onnx")
    found = bakeoff.explain(tmp_path / "b.onnx", place / "a", place / "photos", quiet=True)
    assert causes(found) == ["epsilon"]  # told from the file's side, which only answers
    assert (found.causes[0]["a"], found.causes[0]["b"]) == ("0.001", "1e-05")


@pytest.mark.parametrize("own", [True, False], ids=["the file's scales", "those of the images"])
def test_an_int8_export(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    """Calibrated on images of half the contrast: only with the file's own scales the same numbers come out."""
    calibration = Predicting(in_order(place)).inputs(A) / 2
    model = onnx.made(bundles.read(place / "a"), "int8", calibration)
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    if not own:
        monkeypatch.setattr("bakeoff.difference.sides.export._precision", lambda path: {})
    found = bakeoff.explain(place / "a", tmp_path / "a.onnx", place / "photos", quiet=True)
    if not own:
        assert found.remaining > 0.05
        return
    assert causes(found) == ["precision"]
    row = found.causes[0]
    assert (row["a"], row["b"], row["place"], row["guessed"]) == ("float32", "int8", str(tmp_path / "a.onnx"), False)
    assert row["share"] > 0.99
    assert abs(found.remaining) < 0.01


def test_inputs_of_another_machine_are_understood(place: Path, tmp_path: Path) -> None:
    images = in_order(place)
    other = A.switched({"input.filter": "lanczos", "input.order": "BGR", "input.fit": "stretch", "input.resize_to": 0})
    world = Predicting(images)
    np.save(tmp_path / "input.npy", world.inputs(other).transpose(0, 3, 1, 2))
    np.save(tmp_path / "logits.npy", world.outcome(other))
    dump = f"{tmp_path / 'input.npy'},{tmp_path / 'logits.npy'}"
    found = bakeoff.explain(place / "a", None, place / "photos", b_dump=dump, quiet=True)
    told = {row["cause"] for row in [*found.causes, *found.result["harmless"]]}
    assert told == {"channel_order", "crop_or_stretch", "resize_filter"}
    assert abs(found.remaining) < 0.05


def test_a_function_of_the_users(place: Path) -> None:
    how = "size=48,mean=0.5/0.5/0.5,std=0.5/0.5/0.5,filter=bicubic,orient=no"
    call = {"a_input": how, "b_pre": f"{place / 'pre.py'}:load", "quiet": True}
    found = bakeoff.explain(place / "a", place / "a", place / "photos", **call)
    assert causes(found) == ["channel_order"]
    assert found.causes[0]["place"] == f"{place / 'pre.py'}:load"


def test_a_promised_figure(place: Path) -> None:
    held = bakeoff.explain(place / "a", None, place / "photos", expect=100, quiet=True)
    assert held.causes == []
    assert held.result["accuracy"] == [1.0, 1.0]
    turned = bakeoff.explain(place / "a", None, place / "photos", a_input="order=BGR", expect=100, quiet=True)
    assert turned.result["accuracy"][0] < 0.7
    assert causes(turned) == ["channel_order"]


class Server:
    """A server that turns colours round."""

    several = False

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url

    def ask(self, content: bytes) -> Any:
        world = Predicting([content])
        z = world.outcome(A.switched({"input.order": "BGR"}))[0]
        shares = np.exp(z) / np.exp(z).sum()
        pairs = sorted(
            ([name, float(p)] for name, p in zip(planted.CLASSES, shares, strict=True)), key=lambda one: -one[1]
        )
        return pairs, pairs[:1]


def test_a_server(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "Remote", Server)
    found = bakeoff.explain(place / "a", "http://localhost:8501/v1/models/a", place / "photos", quiet=True)
    assert causes(found) == ["channel_order"]
    assert found.result["kinds"] == ["model", "server"]


def test_the_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["explain", str(place / "a"), str(place / "b"), "--images", str(place / "photos")]
    assert main([*line, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert {"cause", "place", "effect_logits", "effect_accuracy", "share", "fix"} <= set(value["causes"][0])
    assert value["remaining"] == pytest.approx(0, abs=1e-3)
    assert main(line) == 0
    assert "epsilon of the normalisation layers is 1e-05" in capsys.readouterr().out


def refusals(place: Path) -> Iterator[tuple[type[BakeoffError], str, tuple[Any, ...], dict[str, Any]]]:
    a = place / "a"
    yield UsageError, "Give one: B, --b-dump or --expect", (a,), {}
    yield DataError, "there is no such file or folder", (a, "nowhere.keras"), {}
    yield (
        UsageError,
        "neither side can be asked",
        ("http://h/v1/models/m", "http://h/v1/models/m", place / "photos"),
        {},
    )
    yield UsageError, "no setting 'sise'", (a, a), {"a_input": "sise=3"}
    yield UsageError, "expected as size", (a, a), {"a_input": "size=big"}
    yield UsageError, "did you mean 'mobilenetv2'", (a, a), {"b_input": "keras:mobilenet_v22"}
    yield UsageError, "give one of them", (a, a), {"a_input": "size=48", "a_pre": "x.py:f"}
    yield UsageError, "FILE.py:FUNCTION", (a, a), {"a_pre": "nothing.py:load"}
    yield UsageError, "no function 'other'", (a, a), {"a_pre": f"{place / 'pre.py'}:other"}
    yield UsageError, "gives (7,)", (a, a), {"a_pre": f"{place / 'pre.py'}:flat"}
    yield DataError, "Save them with numpy.save", (a,), {"b_dump": "nowhere.npy"}
    yield UsageError, "the labels of the images aren't known", (a,), {"expect": 50}


def test_what_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "Remote", Server)
    for kind, words, given, named in refusals(place):
        with pytest.raises(kind) as error:
            bakeoff.explain(*given, quiet=True, **named)
        assert words in str(error.value), error.value


RECIPE = """
[model]
name = "mnist_cnn"
[[phases]]
strategy = "finetune"
epochs = 1
batch_size = 16
[phases.optimizer]
name = "sgd"
[phases.schedule]
peak = 0.1
"""


def test_runs_differ_by_their_recipes_or_by_their_seed(place: Path) -> None:
    """Other weights are no cause of their own where both say how they were trained."""
    trained = planted.account(seed=7)
    assert A.graph is not None
    assert trained.graph is not None
    made = Bundle(A.graph, planted.SIGNATURE, planted.CLASSES, RECIPE, framework="torch")
    bundles.write(place / "run", made)
    bundles.write(place / "other-seed", replace(made, graph=trained.graph, recipe_toml=f"seed = 5\n{RECIPE}"))
    slower = RECIPE.replace("0.1", "0.01")
    bundles.write(place / "slower", replace(made, graph=trained.graph, recipe_toml=slower))
    same = bakeoff.explain(place / "run", place / "other-seed", place / "photos", quiet=True)
    assert same.causes == []
    assert "seed noise" in same.result["verdict"]
    found = bakeoff.explain(place / "run", place / "slower", place / "photos", quiet=True)
    assert causes(found) == ["learning_rate"]

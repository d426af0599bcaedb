"""The engine of the probe: the device says which, and never one that computes something else."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from rooms import backbone, context, recipe, small

from bakeoff.data import Data
from bakeoff.errors import BakeoffError
from bakeoff.graph import interpreter
from bakeoff.schemas import Array
from bakeoff.training.context import Context
from bakeoff.training.probe import engines
from bakeoff.training.probe.engines import Engine, choose, noted

IMAGES = np.random.default_rng(0).random((4, 4, 4, 1)).astype("float32")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return small(tmp_path_factory.mktemp("images"))


@pytest.fixture
def around(data: Data, tmp_path: Path) -> Context:
    return context(data, recipe('strategy = "probe"', 'backbone = "small"'), tmp_path / "run", graph=backbone())


def engine(name: str, seconds: float = 0.0, factor: float = 1.0) -> Engine:
    """The graph in NumPy, so many seconds late, its features times a factor."""

    def predict(images: Array) -> Array:
        time.sleep(seconds)
        found: Array = factor * interpreter.run(backbone(), images)
        return found

    return Engine(name, predict)


def at_hand(monkeypatch: pytest.MonkeyPatch, onnx: Engine, *others: Engine) -> None:
    monkeypatch.setattr(engines, "_onnxruntime", lambda *_: onnx)
    monkeypatch.setattr(engines, "_framework", lambda *_: list(others))


@pytest.mark.parametrize(("device", "wanted"), [("cpu", "onnxruntime"), ("cuda", "torch")])
def test_the_device_decides_and_no_race(
    around: Context, monkeypatch: pytest.MonkeyPatch, device: str, wanted: str
) -> None:
    monkeypatch.setattr(engines, "device_of", lambda *_: device)
    for late in (0.0, 0.03):  # two engines differ in the last bits: a run must not depend on which one was busy
        at_hand(monkeypatch, engine("onnxruntime", late), engine("torch", 0.03 - late))
        assert choose(around, backbone(), IMAGES).name == wanted
    assert noted(around)["verified"]["passed"]


def test_an_engine_that_computes_something_else_is_not_believed(
    around: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_hand(monkeypatch, engine("onnxruntime", factor=1.001), engine("torch"))
    assert choose(around, backbone(), IMAGES).name == "torch"
    verdict = noted(around)["verified"]
    assert not verdict["passed"]
    assert verdict["difference"] == pytest.approx(1e-3, rel=0.1)
    at_hand(monkeypatch, engine("onnxruntime", factor=1.001))
    with pytest.raises(BakeoffError, match=r"onnxruntime gives features that differ by 1.0e-03 from those of numpy"):
        choose(around, backbone(), IMAGES)


def test_alone_it_is_verified_against_numpy(around: Context) -> None:
    assert choose(around, backbone(), IMAGES).name == "onnxruntime"
    found = noted(around)["verified"]
    assert found["against"] == "numpy"
    assert 0 < found["difference"] <= found["tolerance"] <= 1e-4

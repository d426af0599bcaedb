"""The batches that a framework is given: the same bytes, whatever decodes them, after a kill, in every framework."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_resume import net, session

from bakeoff import frameworks
from bakeoff.data import Data, images, read_data
from bakeoff.recipe import loads
from bakeoff.training.context import Context

RECIPE = """
[model]
name = "mnist_mlp"

[augment]
preset = "standard"
operations = [{ name = "trivial_augment" }, { name = "random_erasing" }]

[[phases]]
strategy = "finetune"
batch_size = 8
epochs = 2
schedule.peak = 0.001
"""
EVERY_FRAMEWORK = "376a380c26c9f0d2"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    """JPEG files that are decoded anew each time, and varied."""
    draw = np.random.default_rng(0)
    for name in "abc":
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(20):
            pixels = draw.integers(0, 256, (12, 11), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{index}.jpg")
    monkeypatch.setattr(images, "KEPT_BYTES", 0)
    monkeypatch.setenv("BAKEOFF_CACHE_LIMIT", "0")
    return read_data(tmp_path / "images")


def given(
    framework: str, data: Data, folder: Path, native: Any, workers: int, stop: int | None = None
) -> dict[int, str]:
    """The hash of every batch that the framework got, by its number; killed before batch `stop`."""
    loop = session(framework, data, folder, loads(RECIPE), "3 steps", native)
    assert loop.context.workers == workers
    found: dict[int, str] = {}

    def steps(images: list[Any], labels: list[Any], rates: list[float]) -> Any:
        for number, (x, y) in enumerate(zip(images, labels, strict=True), loop.state.noise):
            if number == stop:
                raise KeyboardInterrupt
            found[number] = hashlib.sha256(x.tobytes() + np.asarray(y).tobytes()).hexdigest()
        return np.zeros(len(images))  # what the step makes of them is another test's

    loop.net.steps = steps  # type: ignore[method-assign]
    loop.net.logits = lambda images: np.zeros((len(images), 3), "float32")  # type: ignore[method-assign]
    try:
        loop.run()
    except KeyboardInterrupt:
        assert stop is not None
    finally:
        loop.context.run.close()
    return found


def test_every_batch_is_the_same(framework: str, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def having(workers: int) -> int:
        monkeypatch.setattr(Context, "workers", workers)
        return workers

    native = frameworks.load(framework).native(net(), device="cpu", threads=1, seed=5)
    whole = given(framework, data, tmp_path / "whole", native, having(0))
    count = 2 * -(-len(data.train) // 8)
    assert sorted(whole) == list(range(count))
    assert len(set(whole.values())) == count
    for first, second in ((0, 8), (8, 1), (1, 2)):
        folder = tmp_path / f"{first}-{second}"
        before = given(framework, data, folder, native, having(first), stop=4)  # in mid-epoch
        after = given(framework, data, folder, native, having(second))
        assert min(after) == 3  # of the last checkpoint
        assert before | after == whole
    digest = hashlib.sha256("".join(whole[number] for number in range(count)).encode()).hexdigest()
    assert digest[:16] == EVERY_FRAMEWORK

"""Predictions: what is found, the order, bad files, numbers, one binary logit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff.errors import BakeoffError, DataError, UsageError
from bakeoff.evaluation.kinds import SINGLE
from bakeoff.evaluation.predict import find_images, predict
from bakeoff.preprocessing import Signature
from bakeoff.runtimes import Opened
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.schemas import Array


def opened(function: Callable[[Array], Array], classes: tuple[str, ...] = ("dark", "light")) -> Opened:
    loss = "softmax_cross_entropy"
    return Opened(FunctionRuntime("truth", function), Signature((2, 2), channels=1), classes, loss, Path("model"))


def by_brightness(images: Array) -> Array:
    """Logits of dark and light: the mean pixel decides."""
    light = images.mean(axis=(1, 2, 3))
    return np.stack([1 - light, light], axis=1) * 4


def image(path: Path, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (2, 2), level).save(path)
    return path


def test_folders_are_searched_and_hidden_files_are_not(tmp_path: Path) -> None:
    wanted = [image(tmp_path / name, 0) for name in ("a.png", "b/c.PNG", "b/d/e.jpg")]
    for name in (".hidden.png", ".git/x.png"):
        image(tmp_path / name, 0)
    (tmp_path / "notes.txt").write_text("text")
    assert find_images([tmp_path]).files == wanted
    assert find_images([tmp_path / "notes.txt", tmp_path / "b"]).files == [tmp_path / "notes.txt", *wanted[1:]]


def test_nothing_to_predict(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no image was given"):
        find_images([])
    with pytest.raises(DataError, match="no images in this folder"):
        find_images([tmp_path])
    with pytest.raises(UsageError, match="top is 0"):
        predict(opened(by_brightness), [image(tmp_path / "a.png", 0)], top=0)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("workers", [1, 4])
def test_rows_are_in_the_order_given(tmp_path: Path, batch_size: int, workers: int) -> None:
    levels = [int(level) for level in np.random.default_rng(0).permutation(20) * 13]
    paths = [image(tmp_path / f"{index}.png", level) for index, level in enumerate(levels)]
    bad = tmp_path / "bad.png"
    bad.write_text("text")
    paths.insert(7, bad)
    done: list[tuple[int, int]] = []
    rows = list(
        predict(
            opened(by_brightness),
            paths,
            workers=workers,
            batch_size=batch_size,
            progress=lambda now, total: done.append((now, total)),
        )
    )
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    assert [row.get("label", "bad") for row in rows[:7]] == ["light" if v > 127 else "dark" for v in levels[:7]]
    assert rows[7] == {"path": str(bad), "error": "text, not an image"}
    assert done[-1] == (21, 21)


def test_only_bad_files_never_reach_the_model(tmp_path: Path) -> None:
    def never(images: Array) -> Array:
        raise AssertionError("called")

    assert list(predict(opened(never), [tmp_path / "missing.png"])) == [
        {"path": str(tmp_path / "missing.png"), "error": "no such file"}
    ]


def test_probabilities_are_the_softmax(tmp_path: Path) -> None:
    (row,) = predict(opened(by_brightness), [image(tmp_path / "a.png", 255)])
    assert row["probability"] == pytest.approx(1 / (1 + np.exp(-4.0)), rel=1e-6)
    assert row["top"][1] == ["dark", pytest.approx(1 / (1 + np.exp(4.0)), rel=1e-5)]


def test_one_binary_logit(tmp_path: Path) -> None:
    binary = opened(lambda images: np.full((len(images), 1), 2.0, np.float32))
    (row,) = predict(binary, [image(tmp_path / "a.png", 0)])
    assert (row["label"], row["probability"]) == ("light", pytest.approx(1 / (1 + np.exp(-2.0))))


def test_numbers_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    broken = opened(lambda images: np.full((len(images), 2), np.nan, np.float32))
    with pytest.raises(BakeoffError, match="aren't finite"):
        list(predict(broken, [image(tmp_path / "a.png", 0)]))


def test_equals_are_ranked_by_the_order_of_the_classes() -> None:
    assert SINGLE.row(np.array([0.25, 0.5, 0.25]), ("a", "b", "c"), 0.5, 3)["top"] == [
        ["b", 0.5],
        ["a", 0.25],
        ["c", 0.25],
    ]
    assert len(SINGLE.row(np.array([0.5, 0.5]), ("a", "b"), 0.5, 9)["top"]) == 2

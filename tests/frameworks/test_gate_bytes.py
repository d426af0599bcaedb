"""Faults in what a SavedModel does before its net: the gate stops it, and names the stage, by its golden pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff import models
from bakeoff.bundle import Bundle
from bakeoff.exports import gate
from bakeoff.exports.formats import savedmodel
from bakeoff.exports.serving import _decode, stages
from bakeoff.preprocessing import Signature

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    draw = np.random.default_rng(0)
    graph = models.build("mnist_cnn", (24, 24), 3, 3)
    moved = {path: one + 0.2 * draw.normal(size=one.shape).astype(np.float32) for path, one in graph.arrays().items()}
    about = Signature((24, 24), fit="crop", resize="bicubic", resize_to=27, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    return Bundle(graph.with_arrays(moved), about, ("cat", "dog", "emu"))


def coarse(tf: Any, image: Any, cut: Any, size: tuple[int, int], name: str, pillow: Any) -> Any:
    """As tf.image.resize is by default."""
    top, left = cut.corner
    whole = tf.image.resize(image, cut.size, name)
    kept = whole[top : top + size[0], left : left + size[1]]
    return tf.cast(tf.clip_by_value(tf.round(kept), 0, 255), tf.uint8)


def beside(between: Any, signature: Signature) -> Any:
    top, left = middle(between, signature)
    return top, left + 1


middle = stages._middle
FAULTS: dict[str, tuple[Any, str, Callable[..., Any], str]] = {
    "EXIF ignored": (stages, "turned", lambda tf, image, orientation: image, "decoded pixels"),
    "DCT of the default": (
        _decode,
        "_jpeg",
        lambda tf, content, ratio: tf.io.decode_jpeg(content, channels=3),
        "decoded pixels",
    ),
    "antialias off": (stages, "resample", coarse, "prepared pixels"),
    "crop off by one": (stages, "_middle", beside, "prepared pixels"),
}


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_what_a_saved_model_does_before_its_net_is_held(
    fault: str | None, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = None
    if fault is not None:
        room, name, wrong, expected = FAULTS[fault]
        monkeypatch.setattr(room, name, wrong)
    savedmodel.write(bundle, tmp_path / "1")
    found = gate.check(tmp_path / "1", gate.golden_of(bundle))
    assert (found.first.name if found.first else None) == expected, found
    assert found.passed is (fault is None)

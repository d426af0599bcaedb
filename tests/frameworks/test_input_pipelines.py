"""What each framework's users write to read images gives the images of the signature, whichever way it takes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff import frameworks
from bakeoff.preprocessing import Signature, normalize
from bakeoff.preprocessing.pixels import prepare

SIGNATURE = Signature(size=(20, 24), channels=3, fit="stretch", resize="bilinear", mean=(0.5,) * 3, std=(0.25,) * 3)
COUNT, BATCH = 12, 4


def _files(folder: Path) -> list[Path]:
    draw = np.random.default_rng(0)
    paths = [folder / f"{number:02d}.png" for number in range(COUNT)]
    for path in paths:
        Image.fromarray(draw.integers(0, 255, (33, 41, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.mark.parametrize(
    "name",
    [pytest.param("torch", marks=pytest.mark.torch), pytest.param("tensorflow", marks=pytest.mark.tensorflow)],
)
@pytest.mark.parametrize("way", ["files", "cached", "array"])
def test_every_image_comes_once_an_epoch_with_its_label(
    name: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchvision" if name == "torch" else name)
    module, paths = frameworks.pipeline(name), _files(tmp_path)
    pixels = np.stack([prepare(path, SIGNATURE) for path in paths])
    expected = normalize(pixels, SIGNATURE)
    if way == "files":
        monkeypatch.setattr(module, "CACHED", 0)
    sources = pixels if way == "array" else paths
    given = {"batch_size": BATCH, "flip": False, "workers": 1}
    stream = module.batches(sources, np.arange(COUNT), SIGNATURE, **given)
    found = list(islice(stream, COUNT // BATCH))
    stream.close()
    order = np.concatenate([labels for _, labels in found])
    assert sorted(order.tolist()) == list(range(COUNT))
    images = np.concatenate([images for images, _ in found])
    assert images.shape == expected.shape
    levels = np.abs(images - expected[order]) * 0.25 * 255  # of 255: torchvision's are Pillow's, TensorFlow's round
    assert levels.max() <= (1e-3 if name == "torch" or way == "array" else 1.01)


@pytest.mark.parametrize(
    "name",
    [pytest.param("torch", marks=pytest.mark.torch), pytest.param("tensorflow", marks=pytest.mark.tensorflow)],
)
def test_each_image_is_flipped_by_a_draw_of_its_own_and_all_are_repeated(name: str) -> None:
    """Within a batch some are turned and some aren't, half of all; whoever starts anew gets the same."""
    pixels = np.zeros((COUNT, 20, 24, 3), np.uint8)
    pixels[:, :, :12] = 255
    given = {"batch_size": BATCH, "flip": True, "workers": 1}
    found = []
    for _ in range(2):
        stream = frameworks.pipeline(name).batches(pixels, np.arange(COUNT), SIGNATURE, **given)
        found.append(list(islice(stream, 50)))
        stream.close()
    turned = np.array([[image[0, 0, 0] < image[0, -1, 0] for image in images] for images, _ in found[0]])
    assert 0.35 < turned.mean() < 0.65  # 200 draws: 4 deviations
    assert (turned.any(1) & ~turned.all(1)).mean() > 0.6  # 7 / 8 of batches of 4; one draw a batch: none
    for (one, first), (two, second) in zip(*found, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(one, two)

"""Laws of every augmentation, and that what is drawn hangs on seed, epoch and record alone."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import write_folder

from bakeoff import registry, seeds
from bakeoff.data import Data, images, read_data
from bakeoff.data.augment import PRESETS, Augmentation, augmentation
from bakeoff.errors import BadFilesError, UsageError
from bakeoff.preprocessing import Signature

NAMES = registry.names("bakeoff.data.augment")
BY_STAGE = {
    stage: [name for name in NAMES if stage == registry.load("bakeoff.data.augment", name).STAGE]
    for stage in ("crop", "pixels", "batch")
}
SIDES = st.integers(1, 12)


def image(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_every_file_has_a_known_stage() -> None:
    assert sorted(name for names in BY_STAGE.values() for name in names) == list(NAMES)


@pytest.mark.parametrize("name", BY_STAGE["pixels"])
@given(height=SIDES, width=SIDES, channels=st.sampled_from([1, 3]), seed=st.integers(0, 1000))
def test_pixels_stay_pixels(name: str, height: int, width: int, channels: int, seed: int) -> None:
    module = registry.load("bakeoff.data.augment", name)
    before = image(height, width, channels, seed)
    kept = before.copy()
    results = [module.apply(before, seeds.rng(seed, name), module.Settings()) for _ in range(2)]
    for found in results:
        assert found.shape == before.shape
        assert found.dtype == np.uint8
    assert np.array_equal(*results)
    assert np.array_equal(before, kept)  # what is cached is not changed


@pytest.mark.parametrize("name", BY_STAGE["batch"])
@given(count=st.integers(1, 6), height=SIDES, width=SIDES, seed=st.integers(0, 1000))
def test_mixed_labels_are_the_shares_of_the_pixels(name: str, count: int, height: int, width: int, seed: int) -> None:
    """Images of one colour each, by class: the mean of what comes out says the shares."""
    module = registry.load("bakeoff.data.augment", name)
    labels = np.arange(count) % 2
    images = np.broadcast_to((labels * 200).astype(np.uint8)[:, None, None, None], (count, height, width, 1)).copy()
    kept, shares = images.copy(), np.eye(2, dtype=np.float32)[labels]
    found, mixed = module.apply(images, shares, seeds.rng(seed, name), module.Settings())
    assert found.dtype == np.uint8
    assert found.shape == images.shape
    assert mixed.dtype == np.float32
    assert np.allclose(mixed.sum(axis=1), 1, atol=1e-6)
    assert (mixed >= 0).all()
    assert np.abs(found.mean(axis=(1, 2, 3)) / 200 - mixed[:, 1]).max() <= 0.5 / 200 + 1e-6
    assert np.array_equal(images, kept)


@given(height=st.integers(1, 2000), width=st.integers(1, 2000), seed=st.integers(0, 500))
def test_a_crop_lies_in_the_image(height: int, width: int, seed: int) -> None:
    module = registry.load("bakeoff.data.augment", "random_resized_crop")
    top, left, down, across = module.box((height, width), seeds.rng(seed, "crop"), module.Settings())
    assert top >= 0
    assert left >= 0
    assert down > 0
    assert across > 0
    assert top + down <= 1 + 1e-12
    assert left + across <= 1 + 1e-12


def test_a_crop_has_the_area_and_ratio_that_were_asked_for() -> None:
    module = registry.load("bakeoff.data.augment", "random_resized_crop")
    settings = module.Settings(scale=(0.2, 0.4), ratio=(0.8, 1.25))
    boxes = np.array([module.box((300, 400), seeds.rng(seed, "crop"), settings) for seed in range(300)])
    area, ratio = boxes[:, 2] * boxes[:, 3], boxes[:, 3] * 400 / (boxes[:, 2] * 300)
    assert 0.2 <= area.min() < 0.23 < 0.37 < area.max() <= 0.4
    assert 0.8 <= ratio.min() < 0.85 < 1.15 < ratio.max() <= 1.25


def test_moving_nothing_changes_nothing_and_turning_is_anticlockwise() -> None:
    from bakeoff.data.augment._geometry import moved

    pixels = image(9, 9, 3)
    assert np.array_equal(moved(pixels), pixels)
    assert np.abs(moved(pixels, degrees=90).astype(int) - np.rot90(pixels)).max() <= 1  # the cosine of 90 is 6e-17
    assert np.array_equal(moved(pixels, shift=(2 / 9, 0))[:, 2:], pixels[:, :-2])
    assert np.array_equal(moved(pixels, shift=(0, 1 / 9))[1:], pixels[:-1])


def test_colour_changes_are_what_they_are_called() -> None:
    module = registry.load("bakeoff.data.augment", "color_jitter")
    still = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    pixels = image(16, 16, 3) // 4 + 90  # far from both ends: nothing is cut

    def changed(**settings: float) -> np.ndarray:
        return module.apply(pixels, seeds.rng(0, "colour"), module.Settings(**still | settings)).astype(float)

    luma = np.array([0.299, 0.587, 0.114])
    assert np.array_equal(changed(), pixels)
    assert np.ptp(changed(brightness=0.3) / pixels) < 0.03
    spread = changed(contrast=0.5) @ luma
    assert abs(spread.mean() - (pixels @ luma).mean()) < 3
    assert abs(spread.std() / (pixels @ luma).std() - 1) > 0.05
    for settings in ({"saturation": 0.9}, {"hue": 0.4}):
        found = changed(**settings)
        assert np.abs(found - pixels).max() > 5
        assert np.abs((found - pixels) @ luma).max() < 1.2  # as bright as before
    grey = np.repeat(image(9, 9, 1) // 2, 3, axis=-1)
    found = module.apply(grey, seeds.rng(0, "colour"), module.Settings(**still | {"saturation": 1.0, "hue": 0.5}))
    assert np.abs(found.astype(int) - grey).max() <= 1


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return read_data(write_folder(tmp_path / "images", {"a": 30, "b": 30}, size=(20, 24)))


def digests(data: Data, **options: Any) -> list[tuple[bytes, bytes, bytes]]:
    batches = data.train.batches(signature=Signature((12, 12)), batch_size=8, **options)
    return [(batch.images.tobytes(), batch.labels.tobytes(), batch.records.tobytes()) for batch in batches]


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "none"])
def test_the_same_for_any_number_of_workers_and_begun_anywhere(data: Data, preset: str, cache: str) -> None:
    alone = digests(data, workers=0, augment=preset, epoch=1)
    for workers in (1, 2, 8):
        assert digests(data, workers=workers, augment=preset, epoch=1, cache=cache) == alone
    for start in range(len(alone) + 1):
        assert digests(data, workers=2, augment=preset, epoch=1, cache=cache, start=start) == alone[start:]


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "none"])
def test_every_epoch_and_seed_is_another(data: Data, preset: str) -> None:
    def by_record(**options: int) -> dict[int, bytes]:
        found = {}
        operations = [{"name": name, "probability": 0.0} for name in ("mixup", "cutmix")]
        batches = data.train.batches(signature=Signature((12, 12)), augment=augmentation(preset, operations), **options)
        for batch in batches:
            found |= {int(record): image.tobytes() for record, image in zip(batch.records, batch.images, strict=True)}
        return found

    one = by_record()
    for options in ({"epoch": 1}, {"seed": 1}):
        other = by_record(**options)
        assert sum(one[record] != other[record] for record in one) > 0.6 * len(one)
    # An image is changed the same way in whichever batch it comes.
    assert by_record(batch_size=5) == by_record(batch_size=16)


def test_an_operation_draws_for_itself_alone(data: Data) -> None:
    """With another operation before it, a flip falls on the same images."""

    def flipped(*operations: dict[str, Any]) -> list[bool]:
        pixels = data.pixels(Signature((12, 12)))
        found = []
        for batch in data.train.batches(signature=Signature((12, 12)), augment=augmentation("none", operations)):
            for image, record in zip(batch.images, batch.records, strict=True):
                found.append(not np.array_equal(image[:, 0], pixels[record][:, 0]))
        return found

    flip = {"name": "horizontal_flip"}
    idle = {"name": "random_erasing", "probability": 0.0}
    assert flipped(flip) == flipped(idle, flip) == flipped({"name": "rotation", "degrees": 0.0}, flip)
    assert 5 < sum(flipped(flip)) < len(data.train) - 5


def test_without_augmentation_labels_stay_whole_numbers(data: Data) -> None:
    plain = digests(data)
    assert digests(data, augment="none") == digests(data, augment=Augmentation()) == plain
    for batch in data.train.batches(signature=Signature((12, 12)), augment="standard"):
        assert batch.labels.dtype == np.int64
    for batch in data.train.batches(signature=Signature((12, 12)), augment="strong"):
        assert batch.labels.dtype == np.float32
        assert batch.labels.shape == (len(batch.records), 2)


def test_digits_are_never_mirrored() -> None:
    for name, operations in PRESETS.items():
        flips = [each["name"] for each in operations if "flip" in each["name"]]
        assert (name == "digits") <= (not flips)
    seven = np.zeros((28, 28, 1), np.uint8)
    seven[4:7, 6:22] = seven[7:24, 18:22] = 255
    module = registry.load("bakeoff.data.augment", "affine")
    for record in range(200):
        found = module.apply(seven, seeds.rng(0, "affine", record=record), module.Settings()).astype(float)
        assert np.vdot(found, seven) > np.vdot(found, seven[:, ::-1])


def test_a_grey_array_is_cropped_from_itself() -> None:
    from bakeoff.protocols import Table

    pixels = np.stack([image(10, 10, 1, seed)[..., 0] for seed in range(4)])
    table = Table(("a",), np.array(list("wxyz")), np.zeros(4, np.int64), np.zeros(4, np.int8), pixels=pixels)
    view = images.Images(table, channels=1, size=(10, 10), sha256=np.zeros((4, 32), np.uint8)).view(
        Signature((10, 10), channels=1)
    )
    target = np.empty((4, 10, 10, 1), np.uint8)
    whole = augmentation("none", [{"name": "random_resized_crop", "scale": [1, 1], "ratio": [1, 1]}])
    assert whole.fill(view, target, np.arange(4), np.arange(4), seed=0, epoch=0) == []
    assert np.array_equal(target[..., 0], pixels)


@pytest.mark.parametrize("preset", ["standard", "digits"])
def test_bad_images_are_named(data: Data, preset: str) -> None:
    path = data.path / str(data.manifest.paths[data.train.indices[3]])
    path.write_bytes(b"no image any more")
    with pytest.raises(BadFilesError, match=path.name):
        digests(data, augment=preset)


@pytest.mark.parametrize(
    ("preset", "operations", "message"),
    [
        ("lite", [], "unknown augmentation 'lite'; did you mean 'light'"),
        ("none", [{"name": "rotations"}], "did you mean 'rotation'"),
        ("none", [{}], "has no name"),
        ("none", [{"name": "rotation", "degree": 3}], "did you mean 'degrees'"),
        ("none", [{"name": "rotation", "degrees": -1}], "rotation.degrees is -1"),
        ("none", [{"name": "rotation", "degrees": float("nan")}], "rotation.degrees is nan"),
        ("none", [{"name": "mixup", "alpha": "x"}], "mixup.alpha is 'x'"),
        ("none", [{"name": "random_resized_crop", "scale": [1, 0.5]}], "the smaller number first"),
        ("none", [{"name": "random_resized_crop", "scale": 0.5}], "expected two numbers"),
    ],
)
def test_what_cannot_be_used_is_named(preset: str, operations: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace(".", r"\.")):
        augmentation(preset, operations)


def test_an_operation_of_the_preset_is_replaced_and_others_follow() -> None:
    found = augmentation("light", [{"name": "horizontal_flip", "probability": 0.1}, {"name": "rotation"}])
    assert [each.name for each in found.operations] == ["random_resized_crop", "horizontal_flip", "rotation"]
    assert found.operations[1].settings.probability == 0.1


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_frozen(name: str) -> None:
    assert dataclasses.is_dataclass(registry.load("bakeoff.data.augment", name).Settings)


def test_a_random_crop_moves_by_whole_pixels_and_mirrors_the_border() -> None:
    """Against NumPy's own reflecting pad."""
    crop = registry.load("bakeoff.data.augment", "random_crop")
    before = image(9, 7, 3)
    padded = np.pad(before, ((3, 3), (3, 3), (0, 0)), mode="reflect")
    windows = [padded[y : y + 9, x : x + 7] for y in range(7) for x in range(7)]
    found = [crop.apply(before, np.random.default_rng(seed), crop.Settings(pad=3)) for seed in range(300)]
    seen = {next(i for i, window in enumerate(windows) if np.array_equal(window, each)) for each in found}
    assert len(seen) == len(windows)
    with pytest.raises(UsageError, match=r"random_crop.pad is 1.5"):
        crop.Settings(pad=1.5)

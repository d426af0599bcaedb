from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff.data import Data, read_data
from bakeoff.data.augment import augmentation
from bakeoff.data.preview import chosen, contact_sheet
from bakeoff.errors import UsageError
from bakeoff.preprocessing import Signature


@pytest.fixture
def data(tmp_path: Path) -> Data:
    draw = np.random.default_rng(0)
    for name in ("a", "b", "汉字"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(12):
            pixels = draw.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{index}.png")
    return read_data(tmp_path / "images")


def test_classes_take_turns_and_the_seed_chooses(data: Data) -> None:
    places = chosen(data.train, 6, seed=0)
    assert data.train.labels[places].tolist() == [0, 1, 2, 0, 1, 2]
    assert len(set(places.tolist())) == 6
    assert chosen(data.train, 6, seed=0).tolist() == places.tolist() != chosen(data.train, 6, seed=1).tolist()
    assert len(chosen(data.train, 1000, seed=0)) == len(data.train)


@pytest.mark.parametrize("preset", ["none", "standard", "strong"])
def test_the_first_column_is_the_image_and_none_changes_nothing(data: Data, tmp_path: Path, preset: str) -> None:
    target = tmp_path / "sheet.png"
    signature = Signature((16, 16))
    names = contact_sheet(data.train, augmentation(preset), target, signature=signature, pictures=4, epochs=3, seed=2)
    assert names == tuple(each.name for each in augmentation(preset).operations)
    sheet = np.asarray(Image.open(target))
    first = data.pixels(signature)[data.train.indices[chosen(data.train, 4, 2)[0]]].repeat(6, 0).repeat(6, 1)
    columns = [x for x in range(sheet.shape[1] - 96) if np.array_equal(sheet[30:126, x : x + 96], first)]
    assert len(columns) == (4 if preset == "none" else 1)


@pytest.mark.parametrize("arguments", [{"pictures": 0}, {"epochs": 65}])
def test_numbers_that_cannot_be_used(data: Data, tmp_path: Path, arguments: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="expected 1 to 64"):
        contact_sheet(data.train, augmentation(), tmp_path / "x.png", signature=Signature((8, 8)), **arguments)


def test_a_suffix_that_cannot_be_written(data: Data, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--output .*no image format"):
        contact_sheet(data.train, augmentation(), tmp_path / "x.xyz", signature=Signature((8, 8)))

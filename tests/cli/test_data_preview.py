"""`bakeoff data preview`."""

from pathlib import Path

import pytest
from command_line import Command
from PIL import Image


def test_preview_writes_a_sheet(command: Command, photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "sheet.png"
    said = command("data", "preview", photos, "--augment", "strong", "--output", target, "--pictures", 4, "--json")
    assert said.code == 0
    assert said.value["operations"][0] == "random_resized_crop"
    assert (said.value["schema"], said.value["num"], said.value["size"]) == (1, 4, [24, 32])
    with Image.open(target) as sheet:
        assert sheet.format == "PNG"


def test_preview_of_a_recipe(command: Command, photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    said = command("recipes", "photos")
    recipe.write_text(said.out.replace('preset = "none"', 'preset = "light"'), encoding="utf-8")
    found = command("data", "preview", photos, "--recipe", recipe, "--output", tmp_path / "a.webp", "--json").value
    assert found["operations"] == ["random_resized_crop", "horizontal_flip"]
    assert found["size"] == [224, 224]
    human = command("data", "preview", photos, "--recipe", recipe, "--augment", "none", "--output", tmp_path / "b.png")
    assert "nothing is changed" in human.out


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--augment", "digit"], "did you mean 'digits'"), (["--output", "sheet.xyz"], "no image format")],
)
def test_preview_refuses(command: Command, photos: Path, words: list[str], message: str) -> None:
    said = command("data", "preview", photos, *words)
    assert said.code == 2
    assert message in said.err

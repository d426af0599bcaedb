"""Images with labels: Chinese class names too, without a missing glyph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw

from bakeoff.drawing import typeface as room
from bakeoff.drawing.sheet import check_output
from bakeoff.drawing.typeface import PACKAGED, Typeface, has
from bakeoff.errors import DataError, UsageError
from bakeoff.evaluation.plot import GAP, MOST, SIDE, draw

CLASSES = ("猫", "狗", "金毛寻回犬", "貓與鳥", "straße, naïve œuvre", "кошка", "ネコ")
UNKNOWN = "\U0010abcd"  # private use: no font has it


@pytest.fixture
def no_system_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a bare machine."""
    monkeypatch.setattr(room, "system_cjk", lambda: ())
    monkeypatch.setattr(room, "system_fonts", lambda: ())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def row(path: Path, label: str) -> dict[str, object]:
    return {"path": str(path), "label": label, "probability": 0.75, "top": [[label, 0.75]]}


def characters(path: Path) -> set[int]:
    """What a font file maps to a glyph."""
    with TTFont(path, fontNumber=0) as font:
        return set(font.getBestCmap())


def test_the_packaged_font_has_every_character_of_gb_2312() -> None:
    codes = [bytes([high, low]) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF)]
    chinese = {ord(code.decode("gb2312", "ignore")) for code in codes if code.decode("gb2312", "ignore")}
    assert len(chinese) == 6763
    assert chinese <= characters(PACKAGED)
    assert {ord(c) for name in CLASSES for c in name} <= characters(PACKAGED)
    assert PACKAGED.with_name("OFL.txt").read_text(encoding="utf-8").startswith("Copyright")


def test_no_glyph_is_missing_on_this_machine() -> None:
    """The font that draws each character maps it, by fontTools, which is not what chose it."""
    chosen = Typeface()
    for character in {c for name in CLASSES for c in name}:
        assert ord(character) in characters(chosen.path_for(character))
    assert not chosen.missing


def test_without_a_system_font_the_packaged_one_draws(no_system_fonts: None) -> None:
    chosen = Typeface()
    assert {chosen.path_for(c) for c in "猫狗Aé"} == {PACKAGED}
    assert not chosen.missing


def test_a_system_font_goes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "NotoSansCJK-Regular.otf"
    own.write_bytes(PACKAGED.read_bytes())
    monkeypatch.setattr(room, "system_fonts", lambda: (tmp_path / "Other.ttf", own))
    room.system_cjk.cache_clear()
    try:
        assert room.system_cjk() == (own,)
        assert Typeface().path_for("猫") == own
    finally:
        room.system_cjk.cache_clear()


def test_has_agrees_with_the_character_map() -> None:
    mapped = characters(PACKAGED)
    sample = [chr(code) for code in range(0x21, 0x250)] + [chr(code) for code in range(0x4E00, 0x4F00)]
    for character in sample:
        if not character.isspace() and character.isprintable():
            assert has(PACKAGED, character) == (ord(character) in mapped), hex(ord(character))


def test_what_no_font_has_is_told(no_system_fonts: None, photo: Path, tmp_path: Path) -> None:
    assert draw([row(photo, f"猫{UNKNOWN}")], tmp_path / "labels.png") == {UNKNOWN}


def test_labels_are_drawn(photo: Path, tmp_path: Path) -> None:
    rows = [row(photo, name) for name in CLASSES] + [{"path": str(tmp_path / "gone.jpg"), "error": "no such file"}]
    assert draw(rows, tmp_path / "labels.png") == frozenset()
    sheet = np.array(Image.open(tmp_path / "labels.png").convert("L"))
    for index in range(4):  # the first row of tiles: ink below each image
        left = GAP + index * (SIDE + GAP)
        assert (sheet[GAP + SIDE + 5 : GAP + SIDE + 26, left : left + 60] < 100).any()


def test_different_labels_look_different(photo: Path, tmp_path: Path) -> None:
    sheets = []
    for name in ("猫", "狗"):
        draw([row(photo, name)], tmp_path / f"{name}.png")
        sheets.append(np.array(Image.open(tmp_path / f"{name}.png")))
    assert not np.array_equal(*sheets)


def test_long_names_are_cut_to_their_room() -> None:
    typeface = Typeface()
    cut = typeface._fitted("金毛寻回犬" * 20, 17, 150)
    assert cut.endswith("…")
    assert typeface.length(cut, 17) <= 150
    brush = ImageDraw.Draw(Image.new("RGB", (10, 10)))
    typeface.write(brush, (0, 5), "", 12, "#000000", 0)  # nothing to write, no room


def test_at_most_so_many(photo: Path, tmp_path: Path) -> None:
    draw([row(photo, "猫")] * (MOST + 5), tmp_path / "labels.jpg")
    with Image.open(tmp_path / "labels.jpg") as sheet:
        assert sheet.height < MOST * SIDE / 6


def test_what_cannot_be_drawn(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no image format"):
        check_output(tmp_path / "labels.xyz")
    with pytest.raises(UsageError, match="there is no folder"):
        check_output(tmp_path / "nowhere" / "labels.png")
    with pytest.raises(UsageError, match="no image to draw"):
        draw([], tmp_path / "labels.png")
    with pytest.raises(UsageError, match="not a font"):
        draw([row(photo, "猫")], tmp_path / "labels.png", font=photo)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DataError, match=r"--plot .*folder"):
        draw([row(photo, "猫")], tmp_path / "folder.png")

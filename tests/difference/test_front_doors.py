"""Planted differences through the front doors: ten, of every kind of side; bench/planted.py has them all.

Slow: the sides are written by PyTorch, Keras and Bakeoff's own verbs first.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import planted
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import _front_doors as front_doors

missing = [name for name in ("torch", "tensorflow", "timm") if importlib.util.find_spec(name) is None]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")]
SOME = (
    "padding and epsilon",
    "scaled outside and inside",
    "slope of Keras's LeakyReLU",
    "a module and its state dict",
    "decoder and antialias",
    "a SavedModel with same padding",
    "logits in bfloat16",
    "three before a server",
    "label smoothing",
    "a frozen BatchNorm that moves",
)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder, photos = (tmp_path_factory.mktemp(name) for name in ("sides", "made"))
    made = planted.pictures(48)
    for content, name, label in zip(made.content, made.names, made.labels or (), strict=True):
        if int(label) < 10:
            (photos / label).mkdir(exist_ok=True)
            (photos / label / name).write_bytes(content)
    front_doors.made(folder, photos)
    with front_doors.served(folder) as host:
        yield folder, host


@pytest.mark.parametrize("name", SOME)
def test_a_planted_difference_is_named_first(name: str, sides: tuple[Path, str], tmp_path: Path) -> None:
    found = front_doors.explained(front_doors.PLANTED[name], *sides, tmp_path / "scripts")
    assert front_doors.right(front_doors.PLANTED[name], found), found.causes


@pytest.mark.parametrize("name", ["resid in both", "a run and its server", "004, scaling inside and outside"])
def test_nothing_is_invented(name: str, sides: tuple[Path, str], tmp_path: Path) -> None:
    found = front_doors.explained(front_doors.SAME[name], *sides, tmp_path / "scripts")
    assert found.causes == []


def test_every_kind_of_side_has_one() -> None:
    assert {front_doors.PLANTED[name].kind for name in SOME} == {one.kind for one in front_doors.PLANTED.values()}

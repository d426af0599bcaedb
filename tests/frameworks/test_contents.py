"""Two output files are the same when all they hold is: what logits don't show is compared, too, and named."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tampering import OF, TAMPERED, Edit, bundle

from bakeoff.bundle import write as write_bundle
from bakeoff.conversion import contents

pytestmark = [
    pytest.mark.torch,
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def write(kind: str, path: Path) -> Path:
    """The net in that format."""
    if kind == "bundle":
        return write_bundle(path, bundle())
    if kind in ("pt", "safetensors"):
        from bakeoff.conversion.output import _rebuilt_state, write_state

        write_state(_rebuilt_state(bundle()), path)
        return path
    from bakeoff import registry

    form = {"pt2": "torch"}.get(kind, kind)
    registry.load("bakeoff.exports.formats", form, what="format").write(bundle(), path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"folder": tmp_path_factory.mktemp("made")}


@pytest.mark.parametrize(("kind", "name", "edit", "said"), TAMPERED, ids=[f"{one[0]}-{one[1]}" for one in TAMPERED])
def test_named(framework: str, kind: str, name: str, edit: Edit, said: str, made: dict[str, Path]) -> None:
    if framework != OF[kind]:
        pytest.skip(f"of {OF[kind]}")
    folder = made["folder"]
    path = folder / name.replace(" ", "-") / ("net" if kind == "bundle" else f"net.{kind}")
    path.parent.mkdir(exist_ok=True)
    if kind not in made:
        (folder / "first").mkdir(exist_ok=True)
        made[kind] = write(kind, folder / "first" / path.name)
    for file in made[kind].parent.glob(f"{path.name}*"):
        target = path.with_name(file.name)
        shutil.copytree(file, target, dirs_exist_ok=True) if file.is_dir() else shutil.copyfile(file, target)
    expected = contents.of(made[kind])
    assert contents.different(contents.of(path), expected) == []
    edit(path)
    found = contents.different(contents.of(path), expected)
    assert any(said in one for one in found), found
    assert len(found) <= 3, found  # nothing else is


def test_numbers() -> None:
    """What `==` would pass, or shapes that would be broadcast."""

    def found(a: Any, b: Any) -> list[str]:
        return contents.different({"layer a": {"kernel": a}}, {"layer a": {"kernel": b}})

    one = np.ones((2, 2), "float32")
    assert found(one, one.copy()) == []
    assert found(np.float32([np.nan]), np.float32([np.nan])) == []
    assert found(np.float32([0.0]), np.float32([-0.0])) == ["layer a, field kernel: 0 of 1, as 0.0, expected -0.0"]
    assert found(one, one[0]) == ["layer a, field kernel: float32 (2, 2), expected float32 (2,)"]
    assert found(one.astype("float64"), one) == ["layer a, field kernel: float64 (2, 2), expected float32 (2, 2)"]
    assert found(True, 1) == ["layer a, field kernel: True, expected 1"]
    assert found(1, 1.0) == ["layer a, field kernel: 1, expected 1.0"]
    assert found([1, 2], [1]) == ["layer a, field kernel: [1, 2], expected [1]"]

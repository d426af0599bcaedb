"""Another library's model as a backbone: captured once, cut, licence kept; where its weights come from."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bakeoff.errors import DataError, UsageError
from bakeoff.training import backbone

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "timm")), reason="needs torch and timm"
)


@pytest.fixture(scope="module")
def found() -> Any:
    return backbone.features("timm/test_resnet@random", 3, input_size=(32, 32))


def test_features_of_another_library(found: Any) -> None:
    graph, signature, licence, declared = found
    assert next(iter(graph.outputs)) == "features"
    assert len(graph.output_shape) == 2
    assert signature.size == (32, 32)
    assert licence is None
    assert declared == ()
    assert "conv1.0.weight" in graph.parameters
    assert not any(path.startswith("fc.") for path in graph.parameters)


def test_it_is_captured_once(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("captured again")

    monkeypatch.setattr(backbone, "_capture", never)
    again, *_ = backbone.features("timm/test_resnet@random", 3, input_size=(32, 32), until="layer2")
    assert again.output_shape[-1] < found[0].output_shape[-1]
    assert all((array == found[0].arrays()[path]).all() for path, array in again.arrays().items())
    with pytest.raises(AssertionError, match="captured again"):
        backbone.features("timm/test_resnet@random", 4, input_size=(32, 32))
    with pytest.raises(UsageError, match="no such stage"):
        backbone.features("timm/test_resnet@random", 3, input_size=(32, 32), until="layer9")


def test_weights_come_from_a_file_or_are_missed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"model\.safetensors is not on this machine"):
        backbone.features("timm/test_resnet", 0)
    with pytest.raises(UsageError, match=r"has no weights 'mine\.pth'"):
        backbone.features("timm/test_resnet@mine.pth", 0)
    with pytest.raises(UsageError, match=r"no model 'test_resnt'; did you mean"):
        backbone.features("timm/test_resnt", 0)

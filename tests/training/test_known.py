"""What a training finds out about images of no class, and that only validation images decide it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import backbone, context, recipe, small

from bakeoff.evaluation.unknown import similarity
from bakeoff.graph import passes
from bakeoff.graph import run as interpret
from bakeoff.graph.similarity import features_of
from bakeoff.training import unknown as module
from bakeoff.training.probe import strategy as probe
from bakeoff.training.setup import HEAD

PROBE = 'strategy = "probe"'


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = small(tmp_path / "images", a=110, b=110)
    found = context(data, recipe(PROBE, 'backbone = "small"'), tmp_path / "run", graph=backbone())
    return found, probe.run(found, passes.with_head(backbone(), 2, name=HEAD), found.recipe.phases[0])


def test_the_bundle_gets_what_the_validation_images_say(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    around, result = trained
    found, logits = module.unknown(around, result.graph, result.logits)
    assert found is not None
    assert found.num == len(around.data.validation) >= 19
    assert found.refused_validation == int(0.05 * (found.num + 1)) - 1
    body = features_of(result.graph)
    assert body is not None
    images = next(iter(around.data.test.batches(batch_size=999, shuffle=False))).images / 255
    expected = similarity(interpret(body, images.astype("float32")), found.means)
    np.testing.assert_allclose(logits["test"].similarity, expected, atol=1e-5)
    np.testing.assert_array_equal(logits["test"].logits, result.logits["test"].logits)

    monkeypatch.setattr(module, "cached", lambda *_: False)  # the way of nets whose features lie nowhere
    again, anew = module.unknown(around, result.graph, result.logits)
    assert again is not None
    np.testing.assert_allclose(again.means, found.means, atol=1e-5)
    np.testing.assert_allclose(anew["test"].similarity, logits["test"].similarity, atol=1e-5)


def test_nothing_is_said_without_enough_to_say_it_from(trained: Any) -> None:
    around, result = trained
    few = {name: replace(one, labels=one.labels[:9], records=one.records[:9]) for name, one in result.logits.items()}
    assert module.unknown(around, result.graph, few) == (None, few)
    alone = {"test": result.logits["test"]}
    assert module.unknown(around, result.graph, alone) == (None, alone)
    assert module.unknown(around, backbone(), result.logits) == (None, result.logits)

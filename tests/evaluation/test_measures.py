"""Every measure: it is called something, knows which way is better, and says so of right and of drawn answers."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff import registry
from bakeoff.errors import CorruptError
from bakeoff.evaluation import kinds, measures
from bakeoff.evaluation.judged import Judged
from bakeoff.evaluation.scores import score
from bakeoff.schemas import Array, Predictions
from bakeoff.texts.catalogue import LANGUAGES

NAMES = registry.names("bakeoff.evaluation.measures")
CLASSES = {"single": 7, "binary": 2, "multilabel": 4}


def judged(kind: str, logits_of: str) -> Judged:
    """Of 200 images, all right with a margin, or drawn."""
    rng, classes = np.random.default_rng(0), CLASSES[kind]
    truth: Array = rng.integers(0, classes, 200)
    if kind == "multilabel":
        truth = (rng.random((200, classes)) < 0.4).astype(np.uint8)
    shown = truth if kind == "multilabel" else truth[:, None] if kind == "binary" else np.eye(classes)[truth]
    logits = 6 * (shown - 0.5) if logits_of == "right" else rng.normal(size=shown.shape)
    return Judged(Predictions(logits, truth, np.arange(200)), tuple(map(str, range(classes))))


@pytest.mark.parametrize("name", NAMES)
def test_better_is_better(name: str) -> None:
    one = measures.load(name)
    assert set(one.TEXT) == set(LANGUAGES)
    assert set(one.KINDS) <= set(CLASSES)
    for kind in one.KINDS:
        right, drawn = (one.value(judged(kind, how)) for how in ("right", "drawn"))
        if right is None or drawn is None:
            assert (name, kind) == ("top5_accuracy", "binary")
        else:
            assert {"higher": right > drawn, "lower": right < drawn}[one.BETTER], (name, kind)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_score_has_what_a_run_records_in_its_order(kind: str) -> None:
    found = judged(kind, "drawn")
    result = score(found.found, found.classes)
    assert tuple(result.figures) == measures.names(kind, recorded=True)
    assert tuple(result.figures)[:2] == ("accuracy", "loss")
    assert result.choice in result.figures
    assert {*measures.names(kind, recorded=True), *measures.names(kind, recorded=False)} == {*measures.names(kind)}


def test_a_kind_is_found_by_its_loss_and_by_shapes() -> None:
    with pytest.raises(CorruptError, match="expected one of softmax_cross_entropy"):
        kinds.of_loss("mean_squared_error")
    for kind, name in ((kinds.SINGLE, "single"), (kinds.BINARY, "binary"), (kinds.MULTILABEL, "multilabel")):
        assert judged(name, "drawn").kind is kind
        assert kinds.of_loss(kind.loss) is kind
        assert measures.load(kind.choice).BETTER == "higher", "epochs and trials are compared so"
        assert kind.outputs(CLASSES[name]) == judged(name, "drawn").logits.shape[1]

"""Labels that aren't those of the predictions: a dataset that shuffles is gone through twice, in two orders."""

from __future__ import annotations

STAGE, WORLD, KEYS = "evaluation", "train", ("eval.labels",)
SAYS = "labels and predictions of the evaluation are {a} on one side and {b} on the other"
FIX = {
    "torch": "DataLoader(test, shuffle=False), predictions and labels of one pass",
    "keras": "model.evaluate(test), or predict and labels of a dataset without shuffle",
}

"""A net that is evaluated as it is trained: model.eval() is missing, or training=True was given."""

from __future__ import annotations

STAGE, WORLD, KEYS = "evaluation", "train", ("eval.mode",)
SAYS = "the net is evaluated in {a} mode on one side and in {b} mode on the other"
FIX = {
    "torch": "model.eval()  # before the evaluation",
    "keras": "model(images, training=False)  # evaluate and predict do it",
}

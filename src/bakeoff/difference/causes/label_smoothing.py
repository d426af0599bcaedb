"""The share of a label that is spread over all classes."""

from __future__ import annotations

STAGE, WORLD, KEYS = "loss", "train", ("train.smoothing",)
SAYS = "label smoothing is {a} on one side and {b} on the other"
FIX = {
    "torch": "nn.CrossEntropyLoss(label_smoothing={value})",
    "keras": "keras.losses.CategoricalCrossentropy(label_smoothing={value})",
}

"""The loss itself: cross-entropy, squares, or one of the script's own."""

from __future__ import annotations

STAGE, WORLD, KEYS = "loss", "train", ("train.loss",)
SAYS = "the loss is {a} on one side and {b} on the other"
FIX = {
    "torch": "criterion = nn.CrossEntropyLoss()  # {value}",
    "keras": "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # {value}",
}

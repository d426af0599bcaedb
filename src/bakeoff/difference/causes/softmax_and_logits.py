"""A softmax too many before the loss, or none: CrossEntropyLoss has its own, Keras asks from_logits."""

from __future__ import annotations

STAGE, WORLD, KEYS = "loss", "train", ("train.softmaxes",)
SAYS = "from logits to the loss there are {a} softmax on one side and {b} on the other"
FIX = {
    "torch": "nn.CrossEntropyLoss()(logits, labels)  # no nn.Softmax at the net's end",
    "keras": "SparseCategoricalCrossentropy(from_logits=True) for a net without softmax, False for one with it",
}

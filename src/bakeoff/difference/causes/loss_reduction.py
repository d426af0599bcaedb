"""A loss that is summed over the batch, or averaged: its gradients are as many times as large as there are images."""

from __future__ import annotations

STAGE, WORLD, KEYS = "loss", "train", ("train.reduction",)
SAYS = "losses of a batch are reduced by {a} on one side and {b} on the other"
FIX = {
    "torch": "nn.CrossEntropyLoss(reduction='{value}')",
    "keras": "keras.losses.SparseCategoricalCrossentropy(reduction='{value}')  # sum_over_batch_size is the mean",
}

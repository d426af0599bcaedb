"""BatchNorm that learns from the batch on one side and is frozen on the other."""

from __future__ import annotations

STAGE, WORLD, KEYS = "net", "train", ("net.batch_norm.statistics",)
SAYS = "BatchNorm trains with statistics that are {a} on one side and {b} on the other"
FIX = {
    "torch": "layer.eval()  # after model.train(), for each frozen BatchNorm; {value}",
    "keras": "layer.trainable = False  # for frozen ones: training=False at construction isn't kept under fit; {value}",
}

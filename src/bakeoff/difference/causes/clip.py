"""Gradients that are scaled down to a largest norm."""

from __future__ import annotations

STAGE, WORLD, KEYS = "optimizer", "train", ("train.clip",)
SAYS = "gradients are clipped to the norm {a} on one side and {b} on the other"
FIX = {
    "torch": "torch.nn.utils.clip_grad_norm_(model.parameters(), {value})",
    "keras": "keras.optimizers.Adam(global_clipnorm={value})",
}

"""Gradients that add up from step to step, since zero_grad() is missing."""

from __future__ import annotations

STAGE, WORLD, KEYS = "optimizer", "train", ("train.keeps_gradients",)
SAYS = "keeping the gradients of the steps before is {a} on one side and {b} on the other"
FIX = {
    "torch": "optimizer.zero_grad()  # before each loss.backward()",
    "keras": "a new tf.GradientTape for each step; apply_gradients keeps nothing",
}

"""Gradients that add up from step to step, since zero_grad() is missing."""

STAGE, WORLD, KEYS = "optimizer", "train", ("train.keeps_gradients",)
SAYS = "keeping the gradients of the steps before is {a} on one side and {b} on the other"
TORCH = "optimizer.zero_grad()  # before each loss.backward()"
KERAS = "a new tf.GradientTape for each step; apply_gradients keeps nothing"

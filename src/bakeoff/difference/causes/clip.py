"""Gradients that are scaled down to a largest norm."""

STAGE, WORLD, KEYS = "optimizer", "train", ("train.clip",)
SAYS = "gradients are clipped to the norm {a} on one side and {b} on the other"
TORCH = "torch.nn.utils.clip_grad_norm_(model.parameters(), {value})"
KERAS = "keras.optimizers.Adam(global_clipnorm={value})"

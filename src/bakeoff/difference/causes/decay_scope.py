"""What decays: all weights, or kernels without biases, gamma and beta."""

STAGE, WORLD, KEYS = "optimizer", "train", ("train.decay_scope",)
BOTH = ("train.decay",)
SAYS = "weight decay is for {a} on one side and {b} on the other"
TORCH = '[{"params": kernels, "weight_decay": d}, {"params": rest, "weight_decay": 0.0}]  # {value}'
KERAS = 'optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])  # {value}'

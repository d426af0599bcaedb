"""Where weight decay acts: in the gradient (PyTorch's Adam, SGD), or on the weights (AdamW, every Keras optimizer)."""

STAGE, WORLD, KEYS = "optimizer", "train", ("train.decay_form",)
BOTH = ("train.decay",)
SAYS = "weight decay is {a} on one side and {b} on the other"
TORCH = "torch.optim.AdamW decouples, torch.optim.Adam(weight_decay=...) couples  # {value}"
KERAS = "optimizer weight_decay decouples, kernel_regularizer=L2(decay / 2) couples  # {value}"

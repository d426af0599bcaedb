"""Whether SGD's memory has the rate in it: Keras's has, so that an old step keeps the rate that it was made with."""

STAGE, WORLD, KEYS = "optimizer", "train", ("train.momentum_form",)
BOTH, ALIKE = ("train.momentum",), ("train.optimizer",)
SAYS = "under another rate SGD's momentum is {a} on one side and {b} on the other"
TORCH = "torch.optim.SGD scales old steps by today's rate; no option  # {value}"
KERAS = "keras.optimizers.SGD keeps old steps as they were; no option  # {value}"

"""The epsilon of Adam and its kin: 1e-8 in PyTorch, 1e-7 in Keras, which adds it before the correction of the mean."""

STAGE, WORLD, KEYS = "optimizer", "train", ("train.epsilon", "train.epsilon_form")
ALIKE = ("train.optimizer",)  # another one has its own
SAYS = "the optimizer's epsilon is {a} on one side and {b} on the other"
TORCH = "torch.optim.Adam(model.parameters(), eps=1e-8)  # {value}"
KERAS = "keras.optimizers.Adam(epsilon=1e-7)  # {value}"

"""The learning rate, given or an optimizer's default: SGD 1e-3 in PyTorch and 0.01 in Keras, RMSprop 0.01 and 1e-3."""

STAGE, WORLD, KEYS = "optimizer", "train", ("train.rate",)
ALIKE = ("train.optimizer",)  # another one has its own
SAYS = "the learning rate is {a} on one side and {b} on the other"
TORCH = "optimizer = torch.optim.Adam(model.parameters(), lr={value})  # or the optimizer that is used"
KERAS = "optimizer = keras.optimizers.Adam(learning_rate={value})  # or the optimizer that is used"

"""The loss itself: cross-entropy, squares, or one of the script's own."""

STAGE, WORLD, KEYS = "loss", "train", ("train.loss",)
SAYS = "the loss is {a} on one side and {b} on the other"
TORCH = "criterion = nn.CrossEntropyLoss()  # {value}"
KERAS = "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # {value}"

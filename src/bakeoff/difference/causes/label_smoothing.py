"""The share of a label that is spread over all classes."""

STAGE, WORLD, KEYS = "loss", "train", ("train.smoothing",)
SAYS = "label smoothing is {a} on one side and {b} on the other"
TORCH = "nn.CrossEntropyLoss(label_smoothing={value})"
KERAS = "keras.losses.CategoricalCrossentropy(label_smoothing={value})"

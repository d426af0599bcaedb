"""A softmax too many before the loss, or none: CrossEntropyLoss has its own, Keras asks from_logits."""

STAGE, WORLD, KEYS = "loss", "train", ("train.softmaxes",)
SAYS = "from logits to the loss there are {a} softmax on one side and {b} on the other"
TORCH = "nn.CrossEntropyLoss()(logits, labels)  # no nn.Softmax at the net's end"
KERAS = "SparseCategoricalCrossentropy(from_logits=True) for a net without softmax, False for one with it"

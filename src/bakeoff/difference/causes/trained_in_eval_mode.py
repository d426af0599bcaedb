"""A net that is trained as it predicts: model.train() is missing, or a loop calls the model without training=True."""

STAGE, WORLD, KEYS = "training", "train", ("train.mode",)
SAYS = "the net is trained in {a} mode on one side and in {b} mode on the other"
TORCH = "model.train()  # at the start of every epoch: eval() stays on after a validation"
KERAS = "model(images, training=True)  # in a loop of one's own; fit does it"

"""A net that is evaluated as it is trained: model.eval() is missing, or training=True was given."""

STAGE, WORLD, KEYS = "evaluation", "train", ("eval.mode",)
SAYS = "the net is evaluated in {a} mode on one side and in {b} mode on the other"
TORCH = "model.eval()  # before the evaluation"
KERAS = "model(images, training=False)  # evaluate and predict do it"

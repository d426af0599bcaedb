"""Labels that aren't those of the predictions: a dataset that shuffles is gone through twice, in two orders."""

STAGE, WORLD, KEYS = "evaluation", "train", ("eval.labels",)
SAYS = "labels and predictions of the evaluation are {a} on one side and {b} on the other"
TORCH = "DataLoader(test, shuffle=False), predictions and labels of one pass"
KERAS = "model.evaluate(test), or predict and labels of a dataset without shuffle"

"""BatchNorm that learns from the batch on one side and is frozen on the other."""

STAGE, WORLD, KEYS = "net", "train", ("net.batch_norm.statistics",)
SAYS = "BatchNorm trains with statistics that are {a} on one side and {b} on the other"
TORCH = "layer.eval()  # after model.train(), for each frozen BatchNorm; {value}"
KERAS = "layer.trainable = False  # for frozen ones: training=False at construction isn't kept under fit; {value}"

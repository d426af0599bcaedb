"""Outputs [n, 1] less labels [n]: every output against every label, so that all are pulled to the mean label."""

STAGE, WORLD, KEYS = "loss", "train", ("train.broadcast",)
SAYS = "outputs are compared with every label, by broadcasting, {a} on one side and {b} on the other"
TORCH = "loss = ((model(x).squeeze(1) - y) ** 2).mean()  # both [n]"
KERAS = "loss = tf.reduce_mean((tf.squeeze(model(x), 1) - y) ** 2)  # both [n]"

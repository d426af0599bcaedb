"""How fast the running statistics follow: PyTorch's momentum weighs the new value, Keras's the old one."""

STAGE, WORLD, KEYS = "net", "train", ("net.batch_norm.momentum",)
SAYS = "running statistics of BatchNorm take {a} of a new batch on one side and {b} on the other"
TORCH = "nn.BatchNorm2d(channels, momentum={value})"
KERAS = "layers.BatchNormalization(momentum=1 - {value})"

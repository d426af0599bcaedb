"""The variance that BatchNorm keeps: unbiased, n / (n - 1) as large, in PyTorch, and biased in Keras."""

STAGE, WORLD, KEYS = "net", "train", ("net.batch_norm.variance",)
SAYS = "the running variance of BatchNorm is {a} on one side and {b} on the other"
TORCH = "nn.BatchNorm2d keeps the unbiased one; no option  # {value}"
KERAS = "layers.BatchNormalization keeps the biased one; no option  # {value}"

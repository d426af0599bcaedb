"""The epsilon of a normalisation: 1e-5 in PyTorch, 1e-3 in Keras."""

STAGE, KEYS = "net", ("net.*.epsilon",)
SAYS = "epsilon of the normalisation layers is {a} on one side and {b} on the other"
TORCH = "nn.BatchNorm2d(channels, eps={value})  # as of each other norm"
KERAS = "layers.BatchNormalization(epsilon={value})  # as of each other norm"
EACH = {"net.*.epsilon": (1e-3, 1e-5, 1e-6)}

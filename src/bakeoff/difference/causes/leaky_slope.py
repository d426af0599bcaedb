"""The slope of a leaky ReLU: 0.01 in PyTorch, 0.3 in Keras's layer, 0.2 in its function."""

STAGE, KEYS = "net", ("net.leaky_relu.*", "net.elu.*", "net.celu.*")
SAYS = "the activation's slope is {a} on one side and {b} on the other"
TORCH = "nn.LeakyReLU(negative_slope={value})"
KERAS = "layers.LeakyReLU(negative_slope={value})"
EACH = {"net.leaky_relu.*": (0.01, 0.2, 0.3)}

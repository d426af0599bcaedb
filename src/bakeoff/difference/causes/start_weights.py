"""The law that start weights are drawn by: Glorot's and biases of 0 in Keras, within 1 / sqrt(fan in) in PyTorch."""

STAGE, WORLD, KEYS = "start", "train", ("start.kernels", "start.biases")
SAYS = "start weights (biases, kernels) are {a} on one side and {b} on the other"
TORCH = "nn.init.xavier_uniform_(layer.weight), nn.init.zeros_(layer.bias)  # Keras's own; wanted: {value}"
KERAS = 'VarianceScaling(1 / 3, "fan_in", "uniform") for kernels; biases uniform too  # PyTorch\'s own; wanted: {value}'

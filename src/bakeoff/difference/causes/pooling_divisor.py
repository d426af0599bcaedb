"""What an average pool divides by at the border: PyTorch counts the padding, Keras doesn't."""

STAGE, KEYS = "net", ("net.avg_pool2d.count_include_pad", "net.avg_pool2d.divisor")
SAYS = "counting the padding in average pools is {a} on one side and {b} on the other"
TORCH = "nn.AvgPool2d(window, stride, padding, count_include_pad={value})"
KERAS = 'layers.AveragePooling2D(window, strides, padding="same") never counts it; pad before to count  # {value}'
EACH = {"net.avg_pool2d.count_include_pad": (True, False)}

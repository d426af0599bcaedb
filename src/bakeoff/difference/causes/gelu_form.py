"""The form of GELU: with the error function, or with tanh (up to 4.7e-4 away)."""

STAGE, KEYS = "net", ("net.gelu.form",)
SAYS = "GELU is {a} on one side and {b} on the other"
TORCH = 'nn.GELU(approximate="none")  # {value}: "none" is exact, "tanh" is tanh'
KERAS = "keras.ops.gelu(x, approximate=False)  # {value}: True, the default, is tanh; activations.gelu is exact"
EACH = {"net.gelu.form": ("tanh", "exact")}

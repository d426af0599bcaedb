"""A softmax on what a softmax gave: the net has one, and whoever asks it applies another."""

STAGE, KEYS = "output", ("output.softmax",)
SAYS = "answers go through {a} softmax before the last on one side and {b} on the other"
TORCH = "logits = model(x)  # no nn.Softmax in the net, one softmax(dim=1) on its logits"
KERAS = "layers.Dense(classes)  # without activation='softmax' where a softmax follows"
GUESSES = [{"output.softmax": count} for count in (0, 1, 2)]

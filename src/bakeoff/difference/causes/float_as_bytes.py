"""Normalised numbers that were stored as bytes: what lies between 0 and 1 becomes 0."""

STAGE, KEYS = "normalise", ("input.buffer",)
SAYS = "the input's buffer is {a} on one side and {b} on the other"
TORCH = "image.astype(np.float32)  # before it is normalised; never .astype(np.uint8) after; permute, not reshape"
KERAS = "image.astype(np.float32)  # before it is normalised; np.transpose, not np.reshape, moves channels"
GUESSES = [{"input.buffer": "truncated"}, {"input.buffer": "reshaped"}]

"""Whether pixels are rounded to bytes after the resize: at most half a grey level."""

from __future__ import annotations

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "resize", ("input.numbers",)
SAYS = "resized pixels are {a} on one side and {b} on the other"
TORCH = "transforms.Resize(size)  # before ToTensor for bytes, after it for floats"
KERAS = "tf.cast(tf.round(image), tf.uint8)  # after tf.image.resize, for bytes"


def guesses(a: Account) -> Guesses:
    return [{"input.numbers": "floats"}, {"input.numbers": "bytes"}]

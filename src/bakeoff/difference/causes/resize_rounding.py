"""Whether pixels are rounded to bytes after the resize: at most half a grey level."""

STAGE, KEYS = "resize", ("input.numbers",)
SAYS = "resized pixels are {a} on one side and {b} on the other"
TORCH = "transforms.Resize(size)  # before ToTensor for bytes, after it for floats"
KERAS = "tf.cast(tf.round(image), tf.uint8)  # after tf.image.resize, for bytes"
GUESSES = [{"input.numbers": "floats"}, {"input.numbers": "bytes"}]

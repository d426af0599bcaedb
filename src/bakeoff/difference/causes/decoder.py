"""The decoder of JPEG: exact as Pillow's and torchvision's, or TensorFlow's faster default, up to 11 levels off."""

from importlib.util import find_spec

STAGE, KEYS = "decode", ("input.decoder",)
ALONE = True
SAYS = "JPEG is decoded {a} on one side and {b} on the other"
TORCH = "Image.open(path)  # exact; torchvision.io.decode_jpeg too"
KERAS = 'tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE")  # exact; fast without it'
GUESSES = [{"input.decoder": "fast"}] if find_spec("tensorflow") else []

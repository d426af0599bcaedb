"""The filter that resizes images: nearest, bilinear, bicubic, lanczos, box."""

from bakeoff.difference.inputs import FILTERS

STAGE, KEYS = "resize", ("input.filter",)
SAYS = "images are resized by the filter {a} on one side and {b} on the other"
TORCH = 'transforms.Resize(size, interpolation=InterpolationMode("{value}"))'
KERAS = 'keras.utils.load_img(path, target_size=size, interpolation="{value}")'
GUESSES = [{"input.filter": name} for name in FILTERS]

"""Whether the orientation that a camera wrote is applied: Pillow, torchvision and TensorFlow leave it to the user."""

STAGE, KEYS = "orient", ("input.orient",)
SAYS = "turning by EXIF is {a} on one side and {b} on the other"
TORCH = "ImageOps.exif_transpose(Image.open(path))  # leave it out for False"
KERAS = "ImageOps.exif_transpose(keras.utils.load_img(path))  # leave it out for False"
GUESSES = [{"input.orient": True}, {"input.orient": False}]

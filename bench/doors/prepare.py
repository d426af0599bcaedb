"""Functions from an image's path to a net's input, as people have them in a script that predicts."""

import numpy as np
from PIL import Image, ImageOps

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SIZE = (64, 64)


def plain(path):
    """As the net was trained."""
    image = Image.open(path).convert("RGB").resize(SIZE, Image.BILINEAR)
    return ((np.asarray(image) / 255 - MEAN) / STD).astype(np.float32)


def turned(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB").resize(SIZE, Image.BILINEAR)
    return ((np.asarray(image) / 255 - MEAN) / STD).astype(np.float32)


def opencv(path):
    """Blue first, as cv2.imread gives it."""
    return plain_of(np.asarray(Image.open(path).convert("RGB").resize(SIZE, Image.BILINEAR))[..., ::-1])


def plain_of(pixels):
    return ((pixels / 255 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)[None]


def reshaped(path):
    """Channels first by reshape."""
    image = Image.open(path).convert("RGB").resize(SIZE, Image.BILINEAR)
    return ((np.asarray(image) / 255 - MEAN) / STD).astype(np.float32).reshape(1, 3, *SIZE)


def from_minus_one(path):
    image = Image.open(path).convert("RGB").resize(SIZE, Image.BILINEAR)
    return (np.asarray(image) / 127.5 - 1).astype(np.float32)


def zero_to_one(path):
    return (np.asarray(Image.open(path).convert("RGB").resize(SIZE, Image.BILINEAR)) / 255).astype(np.float32)


def twice(path):
    """ToTensor divided already."""
    return plain(path) * 0 + ((zero_to_one(path) / 255 - MEAN) / STD).astype(np.float32)


def tensorflow(path):
    """As a tutorial of TensorFlow reads a file: another decoder, no antialias."""
    import tensorflow as tf

    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    image = tf.image.resize(image, SIZE) / 255.0
    return ((image.numpy() - MEAN) / STD).astype(np.float32)


def tensorflow_antialiased(path):
    import tensorflow as tf

    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    image = tf.image.resize(image, SIZE, antialias=True) / 255.0
    return ((image.numpy() - MEAN) / STD).astype(np.float32)


def keras_crop(path):
    """The middle of the file itself, then small."""
    image = Image.open(path).convert("RGB")
    side = min(image.size)
    cut = round(side * 64 / 73)
    left, top = (image.width - cut) // 2, (image.height - cut) // 2
    image = image.crop((left, top, left + cut, top + cut)).resize(SIZE, Image.BILINEAR)
    return ((np.asarray(image) / 255 - MEAN) / STD).astype(np.float32)


def torchvision(path):
    from torchvision import transforms as t

    how = t.Compose([t.Resize(73), t.CenterCrop(64), t.ToTensor(), t.Normalize(list(MEAN), list(STD))])
    return how(Image.open(path).convert("RGB")).numpy()


def lanczos(path):
    image = Image.open(path).convert("RGB").resize(SIZE, Image.LANCZOS)
    return ((np.asarray(image) / 255 - MEAN) / STD).astype(np.float32)

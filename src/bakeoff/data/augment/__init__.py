"""Augmentation, framework-free: NumPy and Pillow on uint8, keyed by (seed, epoch, record).

An operation is one file of this folder:

    STAGE          "crop" (which part of the image is taken), "pixels" (of the resized image), or "batch"
    Settings       a frozen dataclass of its settings; refuses what can't be used
    box            crop:    ((height, width), rng, settings) -> (top, left, height, width), shares of the image
    apply          pixels:  (uint8 (H, W, C), rng, settings) -> the same shape
                   batch:   (uint8 (N, H, W, C), shares of the classes (N, classes), rng, settings) -> both, changed

Each draws from a generator of its own, so that what one draws changes nothing for another, and the same image in the
same epoch is changed alike on every side, for any number of workers, and after a resume.
"""

from bakeoff.data.augment._pipeline import Augmentation, Mix, Operation, augmentation
from bakeoff.data.augment._presets import PRESETS

__all__ = ["PRESETS", "Augmentation", "Mix", "Operation", "augmentation"]

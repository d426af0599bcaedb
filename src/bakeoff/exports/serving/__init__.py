"""A net that takes the bytes of image files, in TensorFlow's operators: every stage gives what `preprocessing` gives.

Each stage may be called by itself, with TensorFlow as its first argument:

look         the bytes of a file -> what its header says (`_look`)
pixels       -> uint8 (H, W, 3), not yet turned; a JPEG at 1/2, 1/4 or 1/8 where the signature has that (`_decode`)
turned       -> as its EXIF says (`_decode`)
prepared     -> uint8 (height, width, channels) of the signature: all of these and Pillow's resize (`stages`)
normalized   -> float32 (`stages`)
answered     logits -> labels, probabilities (`answers`)

What is decoded otherwise than by `preprocessing.decode` is refused with a reason, not guessed: see `_look.REASONS`.
"""

from bakeoff.exports.serving._decode import pixels, turned
from bakeoff.exports.serving._look import Look, look
from bakeoff.exports.serving.answers import answered, ranked
from bakeoff.exports.serving.stages import normalized, prepared

__all__ = ["Look", "answered", "look", "normalized", "pixels", "prepared", "ranked", "turned"]

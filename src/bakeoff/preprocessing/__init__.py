"""From an image to a model's input, one path for trainer, prediction and server: decode, resize, normalize."""

from bakeoff.preprocessing._work import LARGEST_PIXELS
from bakeoff.preprocessing.decode import Header, decode, read_header
from bakeoff.preprocessing.formats import SUFFIXES, format_of, is_image
from bakeoff.preprocessing.normalize import normalize, scale_and_offset
from bakeoff.preprocessing.pixels import prepare
from bakeoff.preprocessing.signature import Signature

__all__ = [
    "LARGEST_PIXELS",
    "SUFFIXES",
    "Header",
    "Signature",
    "decode",
    "format_of",
    "is_image",
    "normalize",
    "prepare",
    "read_header",
    "scale_and_offset",
]

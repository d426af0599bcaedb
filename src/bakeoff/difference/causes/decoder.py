"""The decoder of JPEG: exact as Pillow's and torchvision's, or TensorFlow's faster default, up to 11 levels off."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from bakeoff.difference.account import Account

STAGE, KEYS = "decode", ("input.decoder",)
ALONE = True
SAYS = "JPEG is decoded {a} on one side and {b} on the other"
FIX = {
    "torch": "Image.open(path)  # exact; torchvision.io.decode_jpeg too",
    "keras": 'tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE")  # exact; fast without it',
}


def guesses(a: Account) -> Iterable[dict[str, Any]]:
    return [{"input.decoder": "fast"}] if find_spec("tensorflow") else []

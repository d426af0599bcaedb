"""Whether pixels are rounded to bytes after the resize: at most half a grey level."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bakeoff.difference.account import Account

STAGE, KEYS = "resize", ("input.numbers",)
SAYS = "resized pixels are {a} on one side and {b} on the other"
FIX = {
    "torch": "transforms.Resize(size)  # before ToTensor for bytes, after it for floats",
    "keras": "tf.cast(tf.round(image), tf.uint8)  # after tf.image.resize, for bytes",
}


def guesses(a: Account) -> Iterable[dict[str, Any]]:
    return [{"input.numbers": "floats"}, {"input.numbers": "bytes"}]

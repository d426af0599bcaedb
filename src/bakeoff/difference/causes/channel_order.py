"""The order of the colours: OpenCV and the caffe weights of Keras have blue first."""

from __future__ import annotations

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "channels", ("input.order",)
SAYS = "colours come as {a} on one side and {b} on the other"
TORCH = "cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # {value} is wanted; or image[..., ::-1].copy()"
KERAS = "image[..., ::-1]  # {value} is wanted"


def guesses(a: Account) -> Guesses:
    if a.settings.get("input.channels", 3) != 3:
        return []
    return [{"input.order": "RGB" if a.settings.get("input.order") == "BGR" else "BGR"}]

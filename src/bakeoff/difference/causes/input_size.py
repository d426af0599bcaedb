"""The size of a net's input, height and width."""

from __future__ import annotations

STAGE, KEYS = "resize", ("input.size",)
SAYS = "the input is {a} on one side and {b} on the other"
FIX = {
    "torch": "transforms.Resize({value}), transforms.CenterCrop({value})",
    "keras": "keras.utils.load_img(path, target_size={value})",
}

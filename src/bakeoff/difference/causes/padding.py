"""Padding of convolutions and pools: at stride 2 TensorFlow's "same" pads below and right, PyTorch pads all round."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "net", ("net.*.pad", "net.*.beyond")
SAYS = "layers are padded (top, bottom, left, right) by {a} on one side and {b} on the other"
TORCH = "nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), nn.Conv2d(..., padding=0))  # {value}"
KERAS = 'layers.ZeroPadding2D(((top, bottom), (left, right))), layers.Conv2D(..., padding="valid")  # {value}'


def guesses(a: Account) -> Guesses:
    """At stride 2: all round, or TensorFlow's."""
    for op in ("conv2d", "max_pool2d", "avg_pool2d"):
        pads = a.settings.get(f"net.{op}.pad")
        if not pads:
            continue
        pairs = list(zip(pads, a.settings[f"net.{op}.stride"], strict=True))
        for flip in (True, False):
            found = tuple(_turned(pad, flip) if max(stride) > 1 else pad for pad, stride in pairs)
            if found != pads:
                yield {f"net.{op}.pad": found}


def _turned(pad: Any, flip: bool) -> Any:
    if pad == "same" or not any(pad):
        return pad
    return (pad[0] - 1, pad[1], pad[2] - 1, pad[3]) if flip and pad[0] == pad[1] else (max(pad),) * 4

"""What a live module says of the images that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from torch import nn

from bakeoff.errors import UsageError
from bakeoff.preprocessing.signature import Filter, Signature


def signature_of(model: nn.Module, size: tuple[int, int] | None, channels: int) -> Signature | None:
    """The signature in a module's `pretrained_cfg` (timm's convention, no import of timm); None where it has none.

    timm resizes the short side to floor(size / crop_pct) and cuts the middle out; `crop_mode` "squash" stretches.

    Args:
        model: the live module.
        size: (height, width) instead of the module's own; the share of the image that is cut off stays.
        channels: of the image; another number than the module's own gives None.
    """
    config = _config(model)
    try:
        own, height, width = (int(number) for number in config["input_size"])
        if size is not None:
            height, width = size
        squash = config.get("crop_mode", "center") == "squash"
        reach = max(int(max(height, width) / float(config.get("crop_pct") or 1.0)), height, width)
        resize = config.get("interpolation", "bicubic")
        mean, std = tuple(config["mean"]), tuple(config["std"])
        if own != channels or resize not in get_args(Filter):
            return None
        return Signature(
            (height, width), own, "stretch" if squash else "crop", resize, None if squash else reach, mean, std
        )
    except (KeyError, TypeError, ValueError, UsageError):
        return None


def said_by_config(model: nn.Module) -> tuple[tuple[int, int] | None, tuple[str, ...] | None]:
    """The size of images and the class names in a module's `config` (transformers' convention, no import of it)."""
    config = getattr(model, "config", None)
    given = getattr(config, "image_size", None) or getattr(getattr(config, "vision_config", None), "image_size", None)
    size = (given, given) if isinstance(given, int) else given if isinstance(given, list | tuple) else None
    names = getattr(config, "id2label", None)
    listed = tuple(str(names.get(index)) for index in range(len(names))) if isinstance(names, dict) else ()
    placeholders = all(name == f"LABEL_{index}" for index, name in enumerate(listed))
    return None if size is None else (int(size[0]), int(size[1])), None if placeholders else listed


def _config(model: nn.Module) -> Mapping[str, Any]:
    given: Any = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    given = given.to_dict() if hasattr(given, "to_dict") else given
    return given if isinstance(given, Mapping) else {}

"""What turns an image into the numbers a model was trained on; it travels with the model in every artefact.

The bytes (size, fit, resize, channels) and the numbers (mean, std) have digests of their own: pixels are cached by the
first, features by both.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from bakeoff.errors import UsageError, VersionError
from bakeoff.schemas import SCHEMA

Fit = Literal["stretch", "crop"]
ChannelOrder = Literal["RGB", "BGR"]
Half = Literal["even", "down"]
Filter = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

LARGEST_SIDE = 8192

LARGEST = 1e9  # of normalised values: their squares and sums are far from float32's end


@dataclass(frozen=True)
class Signature:
    """How an image becomes an input: resize, crop, then x / 255, less `mean`, over `std`.

    Attributes:
        size: (height, width) of the result, in pixels.
        channels: 1 (grey) or 3 (RGB).
        fit: `stretch` resizes the whole image to `size`; `crop` resizes it, keeping its proportions, and cuts the
            middle out.
        resize: Pillow's antialiased filter, on uint8.
        resize_to: with `crop`, the length of the short side before the cut, at least max(size); the long side is
            int(resize_to * long / short), as torchvision rounds. None: the smallest image that covers `size`.
        mean: per channel, on the scale 0 to 1; one number stands for every channel.
        std: per channel, likewise.
        channel_order: BGR turns an image's channels round before mean and std, which count in that order.
        scaled_decode: let libjpeg decode large JPEGs at 1/2, 1/4 or 1/8, at least four times the size that the
            resize asks for; other bytes, several times as fast for photos of many megapixels.
        half: with `crop`, where an odd number of pixels is left over: the half of it is rounded to an even number, as
            torchvision does, or down, as transformers does.
        schema: of the JSON.

    Raises:
        UsageError: a value that can't be used.
    """

    size: tuple[int, int]
    channels: int = 3
    fit: Fit = "stretch"
    resize: Filter = "bilinear"
    resize_to: int | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scaled_decode: bool = False
    channel_order: ChannelOrder = "RGB"
    half: Half = "even"
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _size(self.size))
        if self.channels not in (1, 3) or isinstance(self.channels, bool):
            raise UsageError(f"channels is {self.channels!r}; expected 1 (grey) or 3 (RGB).")
        _one_of("fit", self.fit, get_args(Fit))
        _one_of("resize", self.resize, get_args(Filter))
        _one_of("channel_order", self.channel_order, get_args(ChannelOrder))
        _one_of("half", self.half, get_args(Half))
        _check_resize_to(self.fit, self.resize_to, self.size)
        object.__setattr__(self, "mean", _per_channel("mean", self.mean, self.channels))
        object.__setattr__(self, "std", _per_channel("std", self.std, self.channels))
        if min(self.std) < 1 / LARGEST:
            raise UsageError(f"std is {list(self.std)}; expected numbers above 0 (the scale is 0 to 1, not 0 to 255).")
        if max(map(abs, self.mean)) > LARGEST:
            raise UsageError(f"mean is {list(self.mean)}; expected numbers on the scale 0 to 1.")
        if not isinstance(self.scaled_decode, bool):
            raise UsageError(f"scaled_decode is {self.scaled_decode!r}; expected true or false.")

    def to_json(self) -> dict[str, Any]:
        """A plain dict; the four last fields but `schema` are there only where they aren't what they usually are."""
        value = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        if not self.scaled_decode:  # signatures from before it have the same digests
            del value["scaled_decode"]
        if self.channel_order == "RGB":
            del value["channel_order"]
        if self.half == "even":
            del value["half"]
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Signature:
        """The signature that `to_json` wrote.

        Raises:
            VersionError: a schema that this version doesn't know.
            UsageError: a key or value that can't be used.
        """
        schema = value.get("schema", SCHEMA)
        if schema != SCHEMA:
            raise VersionError(
                f"a preprocessing signature of schema {schema!r}; this version of Bakeoff reads {SCHEMA}.\n"
                "Install the version that wrote it, or newer."
            )
        unknown = set(value) - {field.name for field in fields(cls)}
        if unknown or "size" not in value:
            wrong = f"unknown {', '.join(sorted(map(repr, unknown)))}" if unknown else "no 'size'"
            raise UsageError(
                f"a preprocessing signature with {wrong}.\nKnown: {', '.join(f.name for f in fields(cls))}"
            )
        return cls(**value)

    def digest(self) -> str:
        """SHA-256 (hex) of all that decides the model's input."""
        return _sha256(self.to_json())

    def pixels_digest(self) -> str:
        """SHA-256 (hex) of what decides the uint8 image: all but mean, std and the order of channels."""
        numbers = ("mean", "std", "channel_order")
        return _sha256({key: value for key, value in self.to_json().items() if key not in numbers})


def _sha256(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _size(value: object) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if len(pair) != 2 or not all(_is_int(side) and 1 <= side <= LARGEST_SIDE for side in pair):
        raise UsageError(f"size is {value!r}; expected (height, width), two integers from 1 to {LARGEST_SIDE}.")
    return pair[0], pair[1]


def _one_of(name: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"{name} is {value!r}; expected one of {', '.join(known)}.")


def _check_resize_to(fit: str, resize_to: object, size: tuple[int, int]) -> None:
    if resize_to is None:
        return
    if fit != "crop":
        raise UsageError(f"resize_to is {resize_to!r}, but fit is {fit!r}.\nUse fit = 'crop', or leave resize_to out.")
    if not isinstance(resize_to, int) or isinstance(resize_to, bool) or not max(size) <= resize_to <= LARGEST_SIDE:
        raise UsageError(
            f"resize_to is {resize_to!r}; expected an integer from {max(size)} (the longer side of size) "
            f"to {LARGEST_SIDE}."
        )


def _per_channel(name: str, value: object, channels: int) -> tuple[float, ...]:
    numbers = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    numeric = all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in numbers)
    if not numeric or len(numbers) not in (1, channels):
        raise UsageError(f"{name} is {value!r}; expected one finite number, or one for each of {channels} channels.")
    return tuple(float(x) for x in numbers) * (channels // len(numbers))

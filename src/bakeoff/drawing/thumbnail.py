"""A small image as a data URI: PNG where it is tiny, else JPEG; metadata is not carried over."""

from __future__ import annotations

import base64
import io
from typing import Any

SIDE = 160  # pixels of a thumbnail's longer side


def uri(image: Any) -> tuple[str, bool]:
    """The URI of a Pillow image, and whether it is small enough for its pixels to be seen."""
    tiny, stream = max(image.size) <= 64, io.BytesIO()
    small = image.copy()
    small.info.clear()
    small.thumbnail((SIDE, SIDE))
    kind = "png" if tiny else "jpeg"
    small.save(stream, kind, **({} if tiny else {"quality": 82}))
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}", tiny

"""What a model says of one picture: the row of `predict`, its heat map, how long it took."""

from __future__ import annotations

import base64
import hashlib
import time
from io import BytesIO
from typing import Any

from bakeoff.drawing.heat import cells
from bakeoff.drawing.thumbnail import uri
from bakeoff.errors import BakeoffError, DataError
from bakeoff.evaluation.asking import asking, row
from bakeoff.evaluation.heatmaps import heatmap
from bakeoff.preprocessing import decode, prepare
from bakeoff.preprocessing.formats import sniff
from bakeoff.serving.model import Served
from bakeoff.serving.refused import Refused, invalid

MOST = 1000  # classes that are listed
SHOWN = ("JPEG", "PNG", "GIF", "WebP", "BMP")  # by every browser


def answer(served: Served, content: bytes) -> dict[str, Any]:
    """What `predict` says of it in a row, and `ms`, the time that it took; `preview` where browsers can't show it.

    Raises:
        Refused: it can't be read as a picture, or the model fails on it.
    """
    begun, opened = time.perf_counter(), served.opened
    try:
        shares, near = asking(opened)(prepare(content, opened.signature)[None])
    except DataError as error:
        raise invalid(f"This can't be read: {error}") from None
    except BakeoffError as error:
        raise _without_path(error, served) from None
    took = 1000 * (time.perf_counter() - begun)
    return {
        **row(opened, shares[0], None if near is None else near[0], MOST),
        "model": served.name,
        "version": served.version,
        "ms": round(took, 2),
        "sha256": hashlib.sha256(content).hexdigest(),
        **({} if sniff(content[:16]) in SHOWN else {"preview": uri(decode(content))[0]}),
    }


def looked_at(served: Served, content: bytes, label: str | None) -> dict[str, Any]:
    """The heat map of a label: `image`, a pixel a cell as a data URI; `box`, the part of the picture that it covers;
    `most`, the largest drop of the label's log-odds; `way`, `ms`.

    Raises:
        Refused: it can't be read as a picture, or there is no such class.
    """
    begun = time.perf_counter()
    try:
        found = heatmap(served.opened, content, label)
    except BakeoffError as error:
        raise _without_path(error, served) from None
    stream = BytesIO()
    cells(found.values).save(stream, "png")
    return {
        "label": found.label,
        "image": f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}",
        "box": found.box,
        "most": float(found.values.max()),
        "way": found.way,
        "ms": round(1000 * (time.perf_counter() - begun), 2),
    }


def _without_path(error: BakeoffError, served: Served) -> Refused:
    return invalid(str(error).replace(str(served.opened.path), served.name))

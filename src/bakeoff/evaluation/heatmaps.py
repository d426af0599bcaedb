"""Heat maps of images as they come: from a file, bytes or a Pillow image to where its label comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os.path import abspath, commonpath, dirname, relpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.drawing.card import Card, Shown, picture
from bakeoff.drawing.heat import Box, over
from bakeoff.drawing.sheet import save
from bakeoff.errors import DataError, UsageError
from bakeoff.files import named
from bakeoff.preprocessing.pixels import draw, resize, shown
from bakeoff.registry import nearest
from bakeoff.runtimes import Opened
from bakeoff.runtimes._heatmap import Way, drops

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, repr=False, eq=False)
class HeatMap(Shown):
    """Where in an image a label comes from.

    Attributes:
        label: the class.
        values: (rows, columns), float32: how far the label's log-odds, log(p / (1 - p)), fall when that place says
            nothing; negative where they rise.
        box: the part of the image that the model saw, and the rows and columns divide: (left, top, right, bottom) as
            shares of width and height.
        way: `map` where cells of the net's last feature map were left out, `occlusion` where squares of the image were
            covered with its mean colour.
        image: the whole image, upright.
    """

    label: str
    values: NDArray[np.float32]
    box: Box
    way: Way
    image: Image.Image

    def draw(self) -> Image.Image:
        """The image with the heat map on it, RGB."""
        return over(self.image, self.values, self.box)

    def _card(self) -> Card:
        rows, columns = self.values.shape
        top = f"{float(self.values.max()):.3g} at most"
        return Card(
            self.label,
            {"log-odds by place": top, "places": f"{rows} x {columns}, by {self.way}"},
            (picture(self.draw(), self.label) for _ in range(1)),
        )


def heatmap(opened: Opened, source: Any, label: str | None = None) -> HeatMap:
    """The heat map of one image.

    Args:
        opened: the model.
        source: a path, the bytes of a file, or a Pillow image.
        label: a class; None: the one that the model finds most probable.

    Raises:
        UsageError: the model has no such class.
        DataError: the image can't be read; the message is one short reason, without the path.
    """
    if label is not None and label not in opened.classes:
        raise UsageError(f"label {label!r}: the model has no such class{nearest(label, opened.classes)}.")
    signature = opened.signature
    try:
        drawn = draw(source, signature)
        pixels = np.array(resize(drawn, signature)).reshape(*signature.size, signature.channels)
    except OSError as error:
        raise DataError((error.strerror or "can't be read").lower()) from None
    found = drops(opened, pixels, None if label is None else opened.classes.index(label))
    box = shown(drawn.size, signature)
    return HeatMap(opened.classes[found.label], found.values, box, found.way, drawn.image)


def written(opened: Opened, rows: Iterable[Mapping[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of `predict`, each with `heatmap`: a PNG below `folder`, of the label that the row has first.

    Folders below the one that all images lie in are kept, so that images of one name don't meet.

    Raises:
        DataError: a file can't be written, or an image changed meanwhile.
    """
    found = list(rows)
    read = [row["path"] for row in found if "error" not in row]
    folders = [dirname(abspath(path)) for path in read]
    common = commonpath(folders) if folders else ""
    for row in found:
        if "error" in row:
            yield dict(row)
            continue
        target = folder / f"{relpath(abspath(row['path']), common)}.png"
        with named(Path(row["path"]), "Leave it alone meanwhile.", DataError):
            drawn = heatmap(opened, row["path"], row["top"][0][0]).draw()
        save(drawn, target, "--heatmap")
        yield {**row, "heatmap": str(target)}

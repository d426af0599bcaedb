"""What augmentation makes of images, side by side: a row an image, a column an epoch."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff import seeds
from bakeoff.data import Split
from bakeoff.data.augment import Augmentation
from bakeoff.data.labels import strata, words
from bakeoff.drawing.sheet import FAINT, INK, check_output, save
from bakeoff.drawing.typeface import Typeface
from bakeoff.errors import BadFilesError, UsageError
from bakeoff.preprocessing import Signature

GAP, HEAD, CAPTION = 8, 30, 20
SIDES = 96, 192  # a tile is at least and at most this large; small images are enlarged without blur
MOST = 64


def contact_sheet(
    split: Split,
    augment: Augmentation,
    output: str | Path,
    *,
    signature: Signature,
    pictures: int = 8,
    epochs: int = 6,
    seed: int = 0,
) -> tuple[str, ...]:
    """Write the sheet; the first column shows each image as prediction sees it, the others as epochs of training do.

    Args:
        split: the images; classes take turns.
        augment: what is applied.
        output: .png, .jpg, .webp or another suffix that Pillow writes.
        signature: how images become inputs.
        images: rows, at most 64.
        epochs: columns beside the first, at most 64.
        seed: of the choice and of the augmentation: with a training's own, what that training sees.

    Returns:
        The names of the operations.

    Raises:
        UsageError: numbers that can't be used, a suffix that can't be written.
        BadFilesError: images that can't be decoded.
        DataError: the file can't be written.
    """
    for name, value in (("--pictures", pictures), ("--epochs", epochs)):
        if not 1 <= value <= MOST:
            raise UsageError(f"{name} {value}: expected 1 to {MOST}.")
    target = check_output(output, "--output")
    places = chosen(split, pictures, seed)
    columns = [_plain(split, places, signature)]
    captions: list[list[str]] = [[""] * len(places)]
    for epoch in range(epochs):
        images, shares = _augmented(split, augment, places, signature, seed, epoch)
        columns.append(images)
        captions.append([""] * len(places) if shares is None else [_shares(row, split.classes) for row in shares])
    _draw(columns, captions, [words(label, split.classes) for label in split.labels[places]], target)
    return tuple(each.name for each in augment.operations)


def chosen(split: Split, count: int, seed: int) -> NDArray[np.int64]:
    """Positions in the split: classes take turns, within a class by the draw of the seed."""
    order = seeds.rng(seed, "preview").permutation(len(split))
    turn = np.zeros(len(split), np.int64)
    kinds = strata(split.labels)
    for kind in np.unique(kinds):
        own = order[kinds[order] == kind]
        turn[own] = np.arange(len(own))
    return np.lexsort((kinds, turn))[:count]


def _plain(split: Split, places: NDArray[np.int64], signature: Signature) -> NDArray[np.uint8]:
    view, records = split.images.view(signature, "none"), split.indices[places]
    images = np.empty((len(records), *view.shape), np.uint8)
    if bad := view.take(images, np.arange(len(records)), records):
        raise split.images.bad_files(bad)
    return images


def _augmented(
    split: Split, augment: Augmentation, places: NDArray[np.int64], signature: Signature, seed: int, epoch: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    view, records = split.images.view(signature, "none"), split.indices[places]
    images = np.empty((len(records), *view.shape), np.uint8)
    bad = augment.fill(view, images, np.arange(len(records)), records, seed=seed, epoch=epoch)
    if bad:
        error: BadFilesError = split.images.bad_files(bad)
        raise error
    mix = augment.mix(seed, epoch, 0, len(split.classes))
    return (images, None) if mix is None else mix(images, split.labels[places])


def _shares(row: NDArray[np.float32], classes: tuple[str, ...]) -> str:
    """`coat 70, hat 30`: percent of the label."""
    order = np.argsort(-row, kind="stable")[:2]
    return ", ".join(f"{classes[k]} {round(100 * float(row[k]))}" for k in order if row[k] > 0.005)


def _draw(columns: list[NDArray[np.uint8]], captions: list[list[str]], names: list[str], target: Path) -> None:
    from PIL import Image, ImageDraw

    height, width = columns[0].shape[1:3]
    scale = min(max(1.0, SIDES[0] // max(height, width)), SIDES[1] / max(height, width))
    tile = max(1, round(width * scale)), max(1, round(height * scale))
    below = CAPTION if any(any(column) for column in captions) else 0
    typeface = Typeface()
    left = GAP + min(180, max(round(typeface.length(name, 14)) for name in names) + GAP)
    size = left + len(columns) * (tile[0] + GAP), HEAD + len(names) * (tile[1] + below + GAP)
    sheet = Image.new("RGB", size, "white")
    brush = ImageDraw.Draw(sheet)
    for column, images in enumerate(columns):
        x = left + column * (tile[0] + GAP)
        typeface.write(brush, (x, 20), "as it is" if column == 0 else f"epoch {column}", 13, FAINT, tile[0])
        for row, pixels in enumerate(images):
            y = HEAD + row * (tile[1] + below + GAP)
            image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
            way = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
            sheet.paste(image.resize(tile, way).convert("RGB"), (x, y))
            typeface.write(brush, (x, y + tile[1] + 14), captions[column][row], 11, FAINT, tile[0])
            if column == 0:
                name = unicodedata.normalize("NFC", names[row])
                typeface.write(brush, (GAP, y + tile[1] // 2 + 5), name, 14, INK, left - 2 * GAP)
    save(sheet, target, "--output")

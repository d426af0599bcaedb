"""Golden pictures: small files of every kind that goes wrong somewhere, and the source's answers, which travel along.

A picture of the size that the resize leaves alone tells nothing of the resize, and a PNG nothing of the decoder of
JPEGs: so of an artefact that takes bytes and shows no more than its output, the pictures that it gets wrong tell where:
PLAIN ones meet the net alone, DECODED ones the decoder, too, and all others the resize.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from bakeoff.preprocessing import Signature
from bakeoff.preprocessing.pixels import GAP, size_before_cut
from bakeoff.seeds import rng

NAME = "golden.npz"
MOST = 200_000  # bytes of all pictures
LONGEST = 2600  # pixels: the side of a photo that is decoded at half its size
TURNED, ACROSS = 6, 2  # orientations: a quarter turn, a mirror image
PLAIN = ("png",)
DECODED = ("jpeg", "jpeg-turned", "jpeg-mirrored", "jpeg-grey", "jpeg-cmyk", "png-grey", "png-palette", "png-alpha")


def beside(artefact: Path) -> Path:
    """Where the golden pictures of an artefact lie: in a folder's `assets.extra`, if it has one, else beside it."""
    extra = artefact / "assets.extra"
    return extra / NAME if extra.is_dir() else artefact.with_name(f"{artefact.name}.{NAME}")


def pictures(signature: Signature) -> dict[str, bytes]:
    """Files by name, the most telling first; of a large net the last ones are left out, so that they stay small.

    Args:
        signature: of the net: pictures are of the size that its resize leaves alone, larger and smaller.
    """
    height, width = plain = _untouched(signature)
    large, small = (int(1.9 * height) + 1, int(1.4 * width) + 2), (max(2, int(0.55 * height)), max(3, int(0.7 * width)))
    turned = _drawn("jpeg-turned", plain).transpose(4)  # by ROTATE_270 of Pillow, which the orientation undoes
    made = {
        "png": _png(_drawn("png", plain)),
        "jpeg": _jpeg(_drawn("jpeg", plain)),
        "png-large": _png(_drawn("png-large", large)),
        "jpeg-turned": _jpeg(turned, TURNED),
        "jpeg-small": _jpeg(_drawn("jpeg-small", small)),
        **_photo(signature, plain),
        "png-grey": _png(_drawn("png-grey", plain).convert("L")),
        "png-alpha": _png(_with_alpha(_drawn("png-alpha", plain))),
        "jpeg-grey": _jpeg(_drawn("jpeg-grey", plain).convert("L")),
        "jpeg-cmyk": _jpeg(_drawn("jpeg-cmyk", plain).convert("CMYK")),
        "png-palette": _png(_drawn("png-palette", plain).quantize(32)),
        "jpeg-mirrored": _jpeg(_drawn("jpeg-mirrored", plain), ACROSS),
        "png-small": _png(_drawn("png-small", small)),
        "jpeg-large": _jpeg(_drawn("jpeg-large", large)),
    }
    while len(made) > 3 and sum(map(len, made.values())) > MOST:
        made.popitem()
    return made


def _photo(signature: Signature, plain: tuple[int, int]) -> dict[str, bytes]:
    """A JPEG that is decoded at half its size, where the signature lets it be."""
    side = 2 * GAP * max(size_before_cut(plain, signature)) + 40
    if not signature.scaled_decode or side > LONGEST:
        return {}
    return {"jpeg-photo": _jpeg(_drawn("jpeg-photo", (side, side + 24)), quality=50)}


def _untouched(signature: Signature) -> tuple[int, int]:
    """The (height, width) that the resize leaves alone, be it cut afterwards."""
    return (signature.resize_to, signature.resize_to) if signature.resize_to else signature.size


def _drawn(name: str, size: tuple[int, int]) -> Any:
    """Tiles of many colours with lines of one pixel across: what antialiasing, cuts and turns change."""
    import numpy as np
    from PIL import Image

    draw = rng(0, "golden", record=name)
    tiles = draw.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(tiles).resize(size[::-1], Image.Resampling.NEAREST)).copy()
    apart = 12 if name.startswith("png") else min(size) if name == "jpeg-photo" else 64  # JPEGs of lines are large
    rows, columns = (draw.choice(side, 1 + side // max(apart, side // 32), replace=False) for side in size)
    image[rows] = draw.integers(0, 256, 3)
    image[: size[0] // 2, columns] = draw.integers(0, 256, 3)
    return Image.fromarray(image)


def _with_alpha(image: Any) -> Any:
    from PIL import Image

    mask = Image.linear_gradient("L").resize(image.size, Image.Resampling.NEAREST)
    image.putalpha(mask)
    return image


def _png(image: Any) -> bytes:
    content = BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def _jpeg(image: Any, orientation: int = 1, quality: int = 88) -> bytes:
    from PIL import Image

    content, exif = BytesIO(), Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    image.save(content, "JPEG", quality=quality, optimize=True, exif=exif)
    return content.getvalue()

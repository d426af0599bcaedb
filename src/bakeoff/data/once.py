"""What is made of a file on the one occasion that its bytes are read: its pixels, and what finds its near copies."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.perceptual_hash import Shrunk, shrunk
from bakeoff.errors import DataError
from bakeoff.preprocessing import Signature
from bakeoff.preprocessing.decode import decode_scaled
from bakeoff.preprocessing.pixels import least_of, resize, with_channels
from bakeoff.workers.profile import stage


@dataclass(eq=False)
class Once:
    """A visitor of new files, from any thread; what it makes is the same as that of a second reading.

    Attributes:
        signature: how images become pixels.
        array: uint8, (n, H, W, C), a row a file; None: pixels aren't wanted.
        near: near copies are wanted: a large JPEG, which is decoded small for its pixels, is decoded whole, too.
        ready: bool, (n,), which rows of `array` are filled.
        shrunk: for near copies, by the SHA-256 of the content.
    """

    signature: Signature
    array: NDArray[np.uint8] | None
    near: bool
    ready: NDArray[np.bool_]
    shrunk: dict[bytes, Shrunk] = field(default_factory=dict)

    def __call__(self, row: int, sha256: bytes, content: bytes) -> str:
        """Decode a file; why it can't be, or ""."""
        small = self.array is not None and self.signature.scaled_decode
        try:
            with stage("decoding"):
                found = decode_scaled(content, least_of(self.signature) if small else None)
        except DataError as error:
            self.shrunk[sha256] = str(error)
            return str(error)
        with stage("near copies"):
            if found.size == (found.image.height, found.image.width):
                self.shrunk[sha256] = shrunk(found.image)
            elif self.near:
                self.shrunk[sha256] = shrunk(content)
        if self.array is not None:
            with stage("resizing"):
                drawn = found._replace(image=with_channels(found.image, self.signature.channels))
                self.array[row] = np.asarray(resize(drawn, self.signature)).reshape(self.array.shape[1:])
            self.ready[row] = True
        return ""


def once(count: int, signature: Signature | None, most: int, near: bool) -> Once | None:
    """A visitor of `count` files, whose pixels are kept up to `most` bytes; None where there is nothing to make."""
    shape = (0,) if signature is None else (count, *signature.size, signature.channels)
    fits = signature is not None and int(np.prod(shape, dtype=np.int64)) <= most
    if not fits and not near:
        return None
    array = np.empty(shape, np.uint8) if fits else None
    return Once(signature or Signature((1, 1)), array, near, np.zeros(count, bool))

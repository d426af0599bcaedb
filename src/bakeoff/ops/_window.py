"""What convolution and pooling share: padding, and the size of what comes out.

"same" is TensorFlow's: out = ceil(n / stride), the odd element of padding goes to the end; it depends on the input's
size, so it stays a word until the size is known (TensorFlow's documentation of tf.nn.convolution; PARITY section 3).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, Size, too_small
from bakeoff.schemas import Array

Pad = Literal["same"] | tuple[int, int, int, int]  # top, bottom, left, right


def reach(kernel: int, dilation: int) -> int:
    """How many elements a dilated kernel spans."""
    return dilation * (kernel - 1) + 1


class Sliding:
    """Attributes of a kernel that slides over an image."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def spans(self) -> tuple[int, int]:
        """Cells that the dilated kernel covers."""
        return reach(self.kernel[0], self.dilation[0]), reach(self.kernel[1], self.dilation[1])


def slices(spans: tuple[int, int], dilation: tuple[int, int], stride: tuple[int, int]) -> list[tuple[slice, slice]]:
    """For each kernel row and column the elements under it, in a padded image."""
    rows, columns = (
        [slice(first, -(span - 1 - first) or None, step) for first in range(0, span, gap)]
        for span, gap, step in zip(spans, dilation, stride, strict=True)
    )
    return [(row, column) for row in rows for column in columns]


def length(size: Size, span: int, stride: int, pad: tuple[int, int] | None, what: str) -> Size:
    """The output's size along one axis; a pad of None means "same".

    Raises:
        UnsupportedError: the window does not fit.
    """
    if pad is None:
        return (size + (stride - 1)) // stride
    out = (size + (pad[0] + pad[1] - span)) // stride + 1
    if too_small(out):
        raise UnsupportedError(
            f"{what}: a window of {span} does not fit a size of {size} with pad {pad}. "
            "Use larger images, a smaller window or more pad."
        )
    return out


def output(x: Shape, spans: tuple[int, int], stride: tuple[int, int], pad: Pad, what: str) -> tuple[Size, Size]:
    """Output height and width."""
    sides = (None, None) if pad == "same" else (pad[:2], pad[2:])
    height, width = (length(x[i + 1], spans[i], stride[i], sides[i], what) for i in (0, 1))
    return height, width


def same_pad(size: int, span: int, stride: int) -> tuple[int, int]:
    """Positions before and after for "same": total = max((ceil(n / s) - 1) s + span - n, 0), the odd one after."""
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def explicit(x: Shape, spans: tuple[int, int], stride: tuple[int, int], pad: Pad) -> tuple[int, int, int, int] | None:
    """The pad in four integers; None where "same" meets a size that is not known yet."""
    if pad != "same":
        return pad
    if stride == (1, 1):  # then "same" does not depend on the size
        top, left = (spans[0] - 1) // 2, (spans[1] - 1) // 2
        return top, spans[0] - 1 - top, left, spans[1] - 1 - left
    height, width = x[1], x[2]
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    return (*same_pad(height, spans[0], stride[0]), *same_pad(width, spans[1], stride[1]))


def torch_same(x: Any, spans: tuple[int, int], stride: tuple[int, int]) -> list[Any]:
    """F.pad's list for "same" at run time, from an NCHW value: span - 1 - (n - 1) mod stride elements in all, at
    least 0.

    Written without a comparison, so that it can be traced: where the stride is beyond the window, the elements are
    counted one by one, and (rest + stride - k) // stride is 1 from k on and 0 below.
    """
    sides: list[Any] = []
    for axis, span, step in ((3, spans[1], stride[1]), (2, spans[0], stride[0])):
        rest = (x.shape[axis] - 1) % step
        total = span - 1 - rest if span >= step else sum(1 - (rest + step - k) // step for k in range(1, span))
        sides += [total // 2, total - total // 2]
    return sides


def torch_pad(
    x: Shape, window: tuple[int, int], stride: tuple[int, int], pad: Pad
) -> tuple[tuple[int, int], bool] | None:
    """torch's padding and ceil_mode that reach the same windows; None where it has no words for them.

    ceil_mode adds elements at the end until the last stride fits, and leaves out a window that begins in them.
    """
    pads = explicit(x, window, stride, pad)
    if pads is None or 2 * pads[0] > window[0] or 2 * pads[2] > window[1]:
        return None
    if pads[0::2] == pads[1::2]:
        return (pads[0], pads[2]), False
    sides = ((x[1], window[0], stride[0], pads[:2]), (x[2], window[1], stride[1], pads[2:]))
    return ((pads[0], pads[2]), True) if all(_is_ceil(*side) for side in sides) else None


def _is_ceil(size: Size, window: int, stride: int, pad: tuple[int, int]) -> bool:
    before, extra = pad[0], pad[1] - pad[0]
    if not isinstance(size, int):
        return extra == stride - 1 and stride <= window - before
    count = -(-(size + 2 * before - window) // stride) + 1
    count -= (count - 1) * stride >= size + before
    return extra >= 0 and count == (size + sum(pad) - window) // stride + 1


def windows(
    x: Array,
    spans: tuple[int, int],
    stride: tuple[int, int],
    pad: Pad,
    value: float,
    dilation: tuple[int, int] = (1, 1),
) -> Array:
    """All windows of x (N, H, W, C), padded with a value: (N, H', W', C, kernel height, kernel width)."""
    pads = explicit(x.shape, spans, stride, pad)
    assert pads is not None
    top, bottom, left, right = pads
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)
    views = sliding_window_view(x, spans, axis=(1, 2))
    return views[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]

"""What every peer does with a photo: EfficientNet-lite0's short side to 256, the middle 224, -1 to 1; one thread."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image


class Net:
    """A file of ONNX, from base64 of a JPEG to probabilities."""

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def probabilities(self, text: str | bytes) -> list[float]:
        return self.answer(self.logits(prepared(base64.b64decode(text))))

    def logits(self, images: Any) -> Any:
        return self.session.run(None, {"input": np.ascontiguousarray(images)})[0]

    @staticmethod
    def answer(logits: Any) -> list[float]:
        shares = np.exp(logits - logits.max())
        return (shares / shares.sum())[0].tolist()  # type: ignore[no-any-return]


def prepared(jpeg: bytes) -> Any:
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    width, height = image.size
    short = min(width, height)
    pixels = np.asarray(image.resize((256 * width // short, 256 * height // short), Image.Resampling.BICUBIC))
    top, left = ((side - 224) // 2 for side in pixels.shape[:2])
    return (pixels[top : top + 224, left : left + 224].astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]

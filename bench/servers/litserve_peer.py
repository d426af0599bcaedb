"""LitServe with the same file and the same preprocessing: python litserve_peer.py MODEL.onnx PORT WORKERS"""

from __future__ import annotations

import base64
import io
import sys
from typing import Any

import litserve
import numpy as np
import onnxruntime
from PIL import Image


class Api(litserve.LitAPI):
    """Short side to 256, the middle 224, -1 to 1: EfficientNet-lite0's."""

    def setup(self, device: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # a kind would make it a parameter of the URL
        image = Image.open(io.BytesIO(base64.b64decode(request["b64"]))).convert("RGB")
        width, height = image.size
        short = min(width, height)
        pixels = np.asarray(image.resize((256 * width // short, 256 * height // short), Image.Resampling.BICUBIC))
        top, left = ((side - 224) // 2 for side in pixels.shape[:2])
        return (pixels[top : top + 224, left : left + 224].astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]

    def predict(self, images: Any) -> Any:
        return self.session.run(None, {"input": np.ascontiguousarray(images)})[0]

    def encode_response(self, logits: Any) -> dict[str, Any]:
        shares = np.exp(logits - logits.max())
        return {"probabilities": (shares / shares.sum())[0].tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=int(sys.argv[3]))
    server.run(port=int(sys.argv[2]), generate_client_file=False, log_level="error")
